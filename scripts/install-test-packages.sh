#!/usr/bin/env bash
# Installs the Debian packages that tests and benchmarks need: PostgreSQL, Postfix (for its smtp-sink and smtp-source),
# Chromium, opendkim, systemd (for systemd-analyze), a C compiler (for tests/faults/wall_clock.c), iproute2 (for
# tests/faults/network.py). No server is started and none is set up. Without root the missing ones are named; that is an
# error only when SENDMILL_REQUIRE_ALL=1, else the tests that need them are left out.
set -euo pipefail

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ -x /usr/sbin/smtp-sink ] || missing+=(postfix)
command -v chromium >/dev/null || missing+=(chromium)
[ -x /usr/sbin/opendkim ] || missing+=(opendkim)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v systemd-analyze >/dev/null || missing+=(systemd)
command -v ip >/dev/null || missing+=(iproute2)
[ ${#missing[@]} != 0 ] || exit 0

refuse() {
  echo "make test: $1" >&2
  [ "${SENDMILL_REQUIRE_ALL:-}" != 1 ] || exit 1
  exit 0
}

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  refuse "Debian packages are missing: ${missing[*]}. Install them as root: apt-get install ${missing[*]}"
fi

echo "Installing the Debian packages ${missing[*]}"
log=$(mktemp)
made=("$log")
trap 'rm -f "${made[@]}"' EXIT

# Debian starts a service as soon as it is installed, unless this file says no.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  made+=(/usr/sbin/policy-rc.d)
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi
# And PostgreSQL's package makes a cluster, which the tests don't use: they make their own.
cluster=/etc/postgresql-common/createcluster.d/sendmill-tests.conf
if [ ! -e "$cluster" ]; then
  mkdir -p "${cluster%/*}"
  made+=("$cluster")
  echo "create_main_cluster = false" >"$cluster"
fi

export DEBIAN_FRONTEND=noninteractive
apt_get() {
  apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1
}
if ! {
  apt_get update &&
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections >>"$log" 2>&1 &&
    apt_get install -y --no-install-recommends "${missing[@]}"
}; then
  tail -n 15 "$log" >&2
  refuse "these Debian packages could not be installed: ${missing[*]}"
fi
