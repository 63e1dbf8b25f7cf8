#!/usr/bin/env bash
# Sets up what a make target needs, on a fresh Debian machine that has Python >= 3.11. Safe to run again.
#   tools/setup.sh runtime|dev|bench   the virtual environment .venv, from the lock of that name
#   tools/setup.sh litellm             LiteLLM's proxy in an environment of its own, .venvs/litellm
#   tools/setup.sh marks               torch, its graph networks and transformers, in an environment of their own, .venvs/marks
#   tools/setup.sh golang              Go, whose own packages check our log, in .venvs/golang
#   tools/setup.sh chromium|postgres   a Debian package, installed when we are root
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

# debian PACKAGE... : installs Debian packages, or says which command a person with root must run.
debian() {
    command -v apt-get >/dev/null || die "needs the package(s) $*, and this system has no apt-get; install them and run again"
    [ "$(id -u)" = 0 ] || die "needs the Debian package(s) $*; run: sudo apt-get install -y $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update >/dev/null && apt-get install -y --no-install-recommends "$@" >/dev/null; } ||
        die "apt-get could not install $*; its own message stands above"
}

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo "$candidate"; return; }
    done
    die "needs Python 3.11 or newer; python3 is $(python3 --version 2>&1 || echo missing). Set PYTHON=/path/to/python3.11"
}

# environment DIR LOCK... : a virtual environment that holds exactly what the locks name.
environment() {
    local dir=$1; shift
    local stamp="$dir/.stillhunt-stamp" want
    want=$(cat pyproject.toml "$@" | sha256sum | cut -d' ' -f1)
    [ -f "$stamp" ] && grep -qx "$want" "$stamp" && return
    local python; python=$(find_python)
    if [ ! -x "$dir/bin/python" ]; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
        "$python" -m venv "$dir"
    fi
    # A lock names every package, so nothing is resolved anew; pip would refuse extras that a lock holds unspelt.
    for lock in "$@"; do
        "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock"
    done
    echo "$want" >"$stamp.next"
}
finish() { mv "$1/.stillhunt-stamp.next" "$1/.stillhunt-stamp" 2>/dev/null || true; }

case "${1:-}" in
runtime | dev | bench)
    # A richer environment serves a poorer target, so `make demo` after `make test` installs nothing.
    if [ "$1" = runtime ] && [ -f .venv/.stillhunt-level ]; then set -- "$(cat .venv/.stillhunt-level)"; fi
    if [ "$1" = dev ] && [ "$(cat .venv/.stillhunt-level 2>/dev/null)" = bench ]; then set -- bench; fi
    case "$1" in
    runtime) environment .venv requirements/runtime.lock ;;
    dev) environment .venv requirements/dev.lock ;;
    bench) environment .venv requirements/dev.lock requirements/bench.lock ;;
    esac
    if [ -f .venv/.stillhunt-stamp.next ]; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "${EDITABLE:---editable}" .
        # LightGBM's wheel leaves OpenMP's runtime to the system.
        [ "$1" = runtime ] || .venv/bin/python -c 'import lightgbm' 2>/dev/null || debian libgomp1
        echo "$1" >.venv/.stillhunt-level
        finish .venv
    fi
    ;;
litellm)
    environment .venvs/litellm requirements/litellm.lock
    finish .venvs/litellm
    ;;
marks)
    # Pinned without hashes: torch's file differs between builds (CPU, CUDA) of one version.
    want=$(sha256sum <requirements/marks.txt)
    if [ "$(cat .venvs/marks/.stillhunt-stamp 2>/dev/null)" != "$want" ]; then
        python=$(find_python)
        [ -x .venvs/marks/bin/python ] || "$python" -m venv .venvs/marks
        .venvs/marks/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/marks.txt
        echo "$want" >.venvs/marks/.stillhunt-stamp
    fi
    ;;
golang)
    environment .venvs/golang requirements/golang.lock
    finish .venvs/golang
    ;;
chromium) command -v chromium >/dev/null || debian chromium fonts-dejavu-core ;;
postgres) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || debian postgresql ;;
*) die "expected one of runtime, dev, bench, litellm, marks, golang, chromium, postgres; got '${1:-}'" ;;
esac
