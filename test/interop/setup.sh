#!/bin/sh
# Makes the foreign implementations that the interop tests talk to: ./setup.sh [aioice] [pion-ice]; without arguments all.
# Idempotent. What it makes lies beside this file and is not committed. Exit status 3: python3 or go is missing.
set -eu
cd "$(dirname "$0")"

aioice() {
  command -v python3 >/dev/null || return 3
  [ -e .venv/.aioice-0.13.0 ] && return 0
  python3 -m venv .venv
  .venv/bin/pip install --quiet aioice==0.13.0
  touch .venv/.aioice-0.13.0
}

pion_ice() {
  command -v go >/dev/null || return 3
  (cd pion-ice && go build -o pion-ice .)
}

[ $# -gt 0 ] || set -- aioice pion-ice
for part in "$@"; do
  case "$part" in
    aioice) aioice ;;
    pion-ice) pion_ice ;;
    *)
      echo "$0: no part is called $part" >&2
      exit 2
      ;;
  esac
done
