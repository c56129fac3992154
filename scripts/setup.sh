# Sourced by the commands beside it: installs and builds what is missing, says so on stderr, is silent when all is there.
# Sets `root` (the checkout) and `node` (the project's own runtime).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case $(uname -m) in
  x86_64) node_arch=x64 ;;
  aarch64) node_arch=arm64 ;;
  *) echo "idloc: no runtime for $(uname -m); x86_64 and aarch64 are supported" >&2; exit 1 ;;
esac
node_home="$root/node_modules/node-linux-$node_arch"
node="$node_home/bin/node"

setup_say() { echo "setup: $*" >&2; }
setup_fail() { echo "setup: $*" >&2; exit 1; }

# Runs a long command; what it prints is shown only when it fails.
setup_quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" -ne 0 ]; then tail -n 40 "$log" >&2; fi
  rm -f "$log"
  return "$status"
}

# Debian packages, by what needs them.
packages_for() {
  case $1 in
    build) echo "g++ make python3" ;; # node-gyp compiles native/
    cipher) [ "$node_arch" != x64 ] || echo "libipsec-mb-dev" ;; # faster AES-GCM, linked into native/
    lab) echo "iproute2 nftables iputils-ping procps tayga" ;; # namespaces, home routers, NAT64
    # the unmodified phone; what counts its packets
    phone) echo "baresip-core tshark" ;;
    voicemail) echo "baresip-core opus-tools systemd" ;; # an answering machine, and what starts it
    # every phone that Debian has; python3-venv is for PJSIP, which it has not
    phones) echo "baresip-core tshark linphone-cli twinkle-console pulseaudio libasound2-plugins sip-tester python3-venv" ;;
    bench) echo "iperf3 wireguard-go wireguard-tools" ;; # load, the peer to compare with
    sip) echo "sip-tester kamailio" ;; # calls, and the proxy to compare with
    rivals) echo "nebula yggdrasil tinc openvpn openssl" ;; # more peers to compare with
    # sanitizers and fuzzing, format of the C++; another SIP stack; the service in a booted Debian; stacks in Python; a router that
    # maps ports; a TURN server; another phone; what relays media; a SIP provider, over TLS too; an answering machine; what judges
    # the package
    test) echo "clang clang-format libclang-rt-14-dev libssl-dev sip-tester debootstrap systemd-container ethtool python3-venv miniupnpd-nftables coturn linphone-cli rtpengine-daemon kamailio kamailio-tls-modules baresip-core opus-tools lintian" ;;
    sanitizers | compiled) ;; # they come with g++ and npm
  esac
}

# setup_packages NEED...: root installs what is missing; others get a line and go on.
setup_packages() {
  local missing=() package
  command -v dpkg-query >/dev/null || return 0
  for package in $(for need in "$@"; do packages_for "$need"; done); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    setup_say "missing Debian packages, and only root can install them: ${missing[*]}"
    return 0
  fi
  setup_say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # The first try may fail for want of package lists, or of fresh ones; what it says is of no use then.
  local install=(apt-get install -y --no-install-recommends "${missing[@]}")
  "${install[@]}" >/dev/null 2>&1 </dev/null || { setup_quietly apt-get update && setup_quietly "${install[@]}"; } ||
    setup_fail "apt-get could not install ${missing[*]}; install them by hand and try again"
  # Tests start it themselves; the package's own service serves nobody here.
  case " ${missing[*]} " in
    *" rtpengine-daemon "*) [ ! -d /run/systemd/system ] || systemctl --quiet disable --now rtpengine-daemon.service || true ;;
  esac
}

# npm packages, the runtime among them, as the lock file says.
setup_npm() {
  local stamp="$root/node_modules/.idloc-stamp" wanted
  wanted="$(sha256sum <"$root/package-lock.json") $node_arch"
  if [ -x "$node" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  command -v npm >/dev/null || setup_fail "npm is missing; install Node 18 or newer with npm"
  setup_say "npm ci"
  (cd "$root" && setup_quietly npm ci) || setup_fail "npm ci failed; see above"
  [ -x "$node" ] || setup_fail "npm ci did not bring the runtime node-linux-$node_arch; is npm told to omit optional packages?"
  echo "$wanted" >"$stamp"
}

# setup_native FOLDER: builds native/FOLDER (binding.gyp there) when its sources, its settings or the runtime changed.
setup_native() {
  local folder="$root/native/$1" stamp wanted
  stamp="$folder/build/.idloc-stamp"
  wanted="$( (cd "$root/native" && find . -type d \( -name build -o -path ./test -o -path ./bench \) -prune -o \( -name '*.cc' -o -name '*.h' -o -name '*.gyp*' -o -name '*.sh' \) -print0 |
    sort -z | xargs -0 sha256sum) | sha256sum) $("$node" --version) $node_arch $(dpkg-query -W -f '${Version}' libipsec-mb-dev 2>/dev/null || true)"
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  setup_say "building native${1:+/$1}"
  (PATH="$node_home/bin:$PATH" JOBS=max setup_quietly "$node" "$root/node_modules/node-gyp/bin/node-gyp.js" rebuild -C "$folder" \
    --nodedir="$node_home") || setup_fail "the native build failed; see above"
  echo "$wanted" >"$stamp"
}

# dist/: the compiled sources in a few files, as they are installed.
setup_dist() {
  local stamp="$root/dist/.idloc-stamp" wanted
  wanted=$( (cd "$root" && find src scripts/bundle.ts systemd/compile-ahead package-lock.json -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  setup_say "compiling src"
  { setup_quietly "$node" "$root/scripts/bundle.ts" "$root/dist" && setup_quietly "$root/systemd/compile-ahead"; } ||
    setup_fail "the sources do not compile; see above"
  echo "$wanted" >"$stamp"
}

# setup NEED...: everything; concurrent runs wait for each other.
setup() {
  exec 9<"${BASH_SOURCE[0]}"
  flock 9
  local need needs=(build) npm=
  for need in "$@"; do [ "$need" = rivals ] || needs+=("$need"); done
  # Both mostly wait for others; npm packages may want a compiler.
  if command -v g++ >/dev/null; then
    setup_npm &
    npm=$!
  fi
  setup_packages "${needs[@]}"
  # Not every distribution has it; OpenSSL does without.
  (setup_packages cipher) || setup_say "going on without it: records are protected by OpenSSL alone"
  # Not every Debian has all of them; a benchmark says whom it could not measure.
  case " $* " in *" rivals "*) (setup_packages rivals) || setup_say "going on without them" ;; esac
  if [ -n "$npm" ]; then wait "$npm" || exit 1; else setup_npm; fi
  setup_native ""
  case " $* " in *" compiled "*) setup_dist ;; esac
  case " $* " in *" sanitizers "*) setup_native asan; setup_native tsan ;; esac
  flock -u 9
  exec 9<&-
}
