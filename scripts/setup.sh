# Sourced by the other scripts: installs what the build needs and sets its
# environment. Installs only what is missing, so it is quick the second time.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "-- $*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        say "cannot become root to run: $*"; say "install it by hand and run this again"; exit 4
    fi
}

apt_updated=
apt_install() {
    say "installing: $*"
    if [ -z "$apt_updated" ]; then as_root apt-get update -qq; apt_updated=1; fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

missing=()
command -v clang >/dev/null || missing+=(clang)
command -v cmake >/dev/null || missing+=(cmake)
command -v make >/dev/null || missing+=(make)
command -v pkg-config >/dev/null || missing+=(pkg-config)
command -v mold >/dev/null || missing+=(mold)
command -v git >/dev/null || missing+=(git ca-certificates)
command -v python3 >/dev/null || missing+=(python3)
compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || missing+=(libclang-dev)
[ -e /usr/include/c++ ] || missing+=(libstdc++-12-dev)
[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ] && PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
# Debian 12's own compiler is older than edition 2024; its security archive has these.
command -v cargo >/dev/null || missing+=(rustc-web cargo-web ca-certificates)
if [ "${#missing[@]}" -gt 0 ]; then apt_install "${missing[@]}"; fi

# What deals with contracts runs in Node.
need_node() {
    local missing=()
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    if [ "${#missing[@]}" -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# The same compilers and target folder everywhere: another choice would build
# RocksDB a second time.
export CC=clang CXX=clang++
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/phalanx/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
bin="$CARGO_TARGET_DIR/debug/phalanx"
say "$(rustc --version), $(clang --version | head -n 1), target folder $CARGO_TARGET_DIR"
