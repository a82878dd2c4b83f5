#!/usr/bin/env bash
# Prints the path of a CMake that can build HDF5 (3.26 or later), for `make test-static`. If there is none, one from PyPI is installed
# below target/. CMAKE=/path/to/cmake uses another.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'cmake: %s\n' "$*" >&2; }

suffices() {
    command -v "$1" >/dev/null && printf '3.26\n%s\n' "$("$1" --version | sed -n 's/^cmake version //p')" | sort --check=quiet --version-sort
}

for found in "${CMAKE:-}" cmake; do
    if [ -n "$found" ] && suffices "$found"; then
        command -v "$found"
        exit 0
    fi
done

own=$PWD/target/cmake
if ! suffices "$own/bin/cmake"; then
    say "no cmake 3.26 or later is here; installing one from PyPI into $own"
    if ! { python3 -m venv "$own" && "$own/bin/pip" install --quiet 'cmake>=3.26,<4'; } >&2; then
        say "that failed; install cmake 3.26 or later, or say where it is with CMAKE=/path/to/cmake"
        exit 1
    fi
fi
echo "$own/bin/cmake"
