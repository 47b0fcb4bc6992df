#!/usr/bin/env bash
# The scenarios of tests/faults at full size, on SQLite and on PostgreSQL, and what each came to in one table. What
# measures speed runs alone, after the rest. FAULTS="-k kill" (options of pytest) runs a part.
set -uo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export FAULTS_SIZE=long FAULTS_TABLE=$folder/rows
touch "$FAULTS_TABLE"
unset SENDMILL_DATABASE_URL
read -ra chosen <<<"${FAULTS:-}"
pytest=(.venv/bin/python -m pytest -q tests/faults "${chosen[@]}")
speed=test_the_good_relay_is_as_fast_as_alone
status=0

run() {
  "$@" </dev/null
  case $? in 0 | 5) ;; *) status=1 ;; esac # 5: of what was chosen, this part has nothing
}

echo "== SQLite"
run "${pytest[@]}" -n 2 --deselect "tests/faults/test_bad_relay.py::$speed"
echo "== PostgreSQL"
run .venv/bin/python scripts/with_postgresql.py -- "${pytest[@]}" -n 2 --deselect "tests/faults/test_bad_relay.py::$speed"
echo "== Speed beside a bad relay (SQLite)"
if [ ${#chosen[@]} = 0 ]; then run .venv/bin/python -m pytest -q tests/faults/test_bad_relay.py -k "$speed"; fi

printf '\n'
.venv/bin/python -m tests.faults.table "$FAULTS_TABLE"
if [ $status = 0 ]; then echo "make faults: passed in $SECONDS s"; else echo "make faults: FAILED in $SECONDS s"; fi
exit $status
