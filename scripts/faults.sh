#!/usr/bin/env bash
# The scenarios of tests/faults at full size, on SQLite and on PostgreSQL, and what each came to in one table. What
# measures rates runs alone, after the rest. FAULTS="-k kill" (options of pytest) runs a part.
set -uo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export FAULTS_SIZE=long FAULTS_TABLE=$folder/rows
touch "$FAULTS_TABLE"
unset SENDMILL_DATABASE_URL
read -ra chosen <<<"${FAULTS:-}"
pytest=(.venv/bin/python -m pytest -q "${chosen[@]}")
with_postgresql=(.venv/bin/python scripts/with_postgresql.py --)
limits=tests/faults/test_limits.py::test_limits_hold_while_processes_are_killed_and_stopped
speed=tests/faults/test_bad_relay.py::test_the_good_relay_is_as_fast_as_alone
most=(tests/faults -n 2 --deselect "$limits" --deselect "$speed")
status=0

run() {
  echo "== $1"
  shift
  "$@" </dev/null
  case $? in 0 | 5) ;; *) status=1 ;; esac # 5: of what was chosen, this part has nothing
}

run "SQLite" "${pytest[@]}" "${most[@]}"
run "PostgreSQL" "${with_postgresql[@]}" "${pytest[@]}" "${most[@]}"
run "Rates and speed, with nothing beside: SQLite" "${pytest[@]}" "$limits" "$speed"
run "Rates, with nothing beside: PostgreSQL" "${with_postgresql[@]}" "${pytest[@]}" "$limits"

printf '\n'
.venv/bin/python -m tests.faults.table "$FAULTS_TABLE"
if [ $status = 0 ]; then echo "make faults: passed in $SECONDS s"; else echo "make faults: FAILED in $SECONDS s"; fi
exit $status
