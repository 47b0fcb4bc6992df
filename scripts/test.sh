#!/usr/bin/env bash
# All tests: tests/unit and tests/browser once, everything else on SQLite and then on PostgreSQL. A failing part does
# not keep the others from running; the closing lines of each stand together at the end.
set -uo pipefail
cd "$(dirname "$0")/.."

EX_UNAVAILABLE=69 # of with_postgresql.py
# Where a server is under test, most of the time is waiting for it, or for a time to pass: so more tests at once than
# there are cores, but not many more: some measure rates. Who has no test left takes of those that others still have.
pytest=(.venv/bin/python -m pytest -q --dist worksteal)
at_once=3
[ ! -t 1 ] || pytest+=(--color=yes)
both=(tests/database tests/end_to_end tests/faults)

output=$(mktemp)
trap 'rm -f "$output"' EXIT
summary=()
status=0
left_out=

part() {
  local name=$1 result
  shift
  printf '\n== %s\n' "$name"
  "$@" 2>&1 </dev/null | tee "$output"
  result=${PIPESTATUS[0]}
  if [ "$result" = $EX_UNAVAILABLE ] && [ "${SENDMILL_REQUIRE_ALL:-}" != 1 ]; then
    summary+=("$name: NOT RUN. $(sed -n 's/^with_postgresql: //p' "$output" | head -n 1)")
    left_out=", without $name"
    return
  fi
  [ "$result" = 0 ] || status=1
  summary+=("$name: $(tail -n 1 "$output")")
}

unset SENDMILL_DATABASE_URL
part "unit" "${pytest[@]}" -n 2 tests/unit
part "SQLite" "${pytest[@]}" -n $at_once "${both[@]}"
part "browser" "${pytest[@]}" -n 2 tests/browser
part "PostgreSQL" .venv/bin/python scripts/with_postgresql.py -- "${pytest[@]}" -n $at_once "${both[@]}"

printf '\n'
printf '%s\n' "${summary[@]}"
if [ $status = 0 ]; then echo "make test: passed$left_out in ${SECONDS} s"; else echo "make test: FAILED in ${SECONDS} s"; fi
exit $status
