#!/bin/sh
# Makes the foreign implementations that the interop tests talk to: ./setup.sh [aioice] [pyopenssl] [pion-ice] [pion-dtls];
# without arguments all.
# Idempotent. What it makes lies beside this file and is not committed. Exit status 3: python3 with venv, or a go that knows
# of toolchains (1.21), is missing.
set -eu
cd "$(dirname "$0")"
# Test files that need the same part start at the same time.
exec 9<"$PWD"
flock 9

aioice() {
  # Debian has venv in a package of its own.
  python3 -c 'import ensurepip' 2>/dev/null || return 3
  [ -e .venv/.aioice-0.13.0 ] && return 0
  python3 -m venv .venv
  .venv/bin/pip install --quiet aioice==0.13.0
  touch .venv/.aioice-0.13.0
}

# DTLS for aioice, by the OpenSSL that the package cryptography carries.
pyopenssl() {
  aioice || return $?
  [ -e .venv/.pyopenssl-26.4.0 ] && return 0
  .venv/bin/pip install --quiet pyOpenSSL==26.4.0 cryptography==50.0.2
  touch .venv/.pyopenssl-26.4.0
}

# A folder with a main package of that name.
pion() {
  case "$(go version 2>/dev/null)" in
    *" go1."[0-9].* | *" go1."[0-9]" "* | *" go1.1"[0-9]* | *" go1.20"* | "") return 3 ;;
  esac
  (cd "$1" && go build -o "$1" .)
}

[ $# -gt 0 ] || set -- aioice pyopenssl pion-ice pion-dtls
for part in "$@"; do
  case "$part" in
    aioice) aioice ;;
    pyopenssl) pyopenssl ;;
    pion-ice | pion-dtls) pion "$part" ;;
    *)
      echo "$0: no part is called $part" >&2
      exit 2
      ;;
  esac
done
