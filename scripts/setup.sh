#!/usr/bin/env bash
# Makes .venv from the lock files, and .venv/bin/sendmill.
#
#   scripts/setup.sh runtime        what the server needs
#   scripts/setup.sh development    that, and what tests and lint need
#
# Does nothing when .venv already holds what the locks say. PYTHON= chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "make setup: $*" >&2
  exit 1
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Distributions compile Python with profile-guided optimisation, version managers by default without: there Sendmill's own
# code takes a fifth more CPU (24 µs and 28 a message). So the system's comes first, if it can make an environment.
find_python() {
  local candidate candidates=(python3.11 python3 python3.12 python3.13 python3.14)
  if [ -n "${PYTHON:-}" ]; then
    is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python of version 3.11 or newer."
    echo "$PYTHON"
    return
  fi
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null && candidates=(/usr/bin/python3 "${candidates[@]}")
  for candidate in "${candidates[@]}"; do
    if is_new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python of version 3.11 or newer was found. On Debian 12: apt-get install python3"
}

# Debian ships Python's venv module without the pip that goes into a new environment: that part is a package of its own.
provide_ensurepip() {
  local python=$1 package log
  "$python" -c 'import ensurepip' 2>/dev/null && return
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "$python lacks ensurepip. Install it as root (apt-get install $package) and run this again."
  fi
  echo "Installing the Debian package $package"
  export DEBIAN_FRONTEND=noninteractive
  if ! log=$({ apt-get update && apt-get install -y --no-install-recommends "$package"; } </dev/null 2>&1); then
    tail -n 15 <<<"$log" >&2
    fail "the Debian package $package could not be installed."
  fi
  "$python" -c 'import ensurepip' 2>/dev/null || fail "$python still lacks ensurepip after installing $package."
}

# An environment is usable if it has pip, a Python new enough, and was made for the folder it is now in.
is_usable() {
  is_new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1 &&
    grep -qF "$PWD/.venv" .venv/bin/activate
}

case "${1:-}" in
  runtime) sets=(build runtime) ;;
  development) sets=(build runtime development) ;;
  *) fail "usage: scripts/setup.sh runtime|development" ;;
esac

# Each set's stamp holds the sum of what was installed for it: its lock, and what the editable install is made from.
stamp() {
  cat "requirements/$1.txt" pyproject.toml | sha256sum
}

is_up_to_date() {
  local name
  for name in "${sets[@]}"; do
    [ "$(cat ".venv/installed-$name" 2>/dev/null)" = "$(stamp "$name")" ] || return 1
  done
}

if is_usable; then
  is_up_to_date && exit 0
else
  python=$(find_python)
  provide_ensurepip "$python"
  echo "Making .venv with $("$python" -V)"
  "$python" -m venv --clear .venv
fi
echo "Installing the locked $1 dependencies into .venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
requirements=()
for name in "${sets[@]}"; do requirements+=(-r "requirements/$name.txt"); done
.venv/bin/python -m pip install -q --require-hashes --only-binary :all: -r requirements/build.txt
# dkimpy is published as source alone.
.venv/bin/python -m pip install -q --require-hashes --only-binary :all: --no-binary dkimpy --no-build-isolation \
  "${requirements[@]}"
.venv/bin/python -m pip install -q --no-deps --no-build-isolation --no-index -e .
for name in "${sets[@]}"; do stamp "$name" >".venv/installed-$name"; done
