#!/usr/bin/env bash
# Resolves requirements/*.in into lock files with hashes. Pins stay as they are unless --upgrade is given.
# No package index is named in them: whoever installs uses their own.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh runtime # for a Python with pip
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder"
"$folder/bin/pip" install -q uv
for name in build runtime development; do
  "$folder/bin/uv" pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --custom-compile-command 'make lock' "$@" "requirements/$name.in" -o "requirements/$name.txt"
done
