#!/usr/bin/env bash
# Installs Chromium for `make test-report`, if there is none. CHROMIUM=/path/to/a/browser uses another.
set -euo pipefail

browser="${CHROMIUM:-chromium}"
command -v "$browser" >/dev/null && exit 0

say() { printf 'browser: %s\n' "$*" >&2; }

if [ -n "${CHROMIUM:-}" ] || ! command -v apt-get >/dev/null; then
    say "$browser is not here; install Chromium, or say where it is with CHROMIUM=/path/to/chromium"
    exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "missing package: chromium. Run as root: apt-get install chromium"
        exit 1
    fi
    as_root=(sudo)
fi

say "installing with ${as_root[*]:+${as_root[*]} }apt-get: chromium (opens the report in a test, for nothing else)"
"${as_root[@]}" apt-get update -qq || say "apt-get update failed; trying to install with the lists at hand"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
