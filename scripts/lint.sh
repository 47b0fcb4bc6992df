#!/usr/bin/env bash
# Every check that needs no running product. All of them run, and the last line says which failed.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
check() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

SENDMILL_DATA=$(mktemp -d)
trap 'rm -rf "$SENDMILL_DATA"' EXIT
export SENDMILL_DATA DJANGO_SETTINGS_MODULE=sendmill.settings

check "ruff check" .venv/bin/python -m ruff check .
check "ruff format" .venv/bin/python -m ruff format --check .
check "mypy" .venv/bin/python -m mypy
check "import order" .venv/bin/lint-imports
check "missing migrations" .venv/bin/python -m django makemigrations --check --dry-run
check "rolling upgrade" .venv/bin/python scripts/check_migrations.py

if [ ${#failed[@]} != 0 ]; then
  (IFS=,; echo "make lint failed: ${failed[*]}" >&2)
  exit 1
fi
echo "make lint: all checks passed"
