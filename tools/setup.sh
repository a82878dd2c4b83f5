#!/usr/bin/env bash
# Installs the system packages that Vitrion is built with, if any is missing. Silent when all are there.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

if ! command -v cargo >/dev/null; then
    say "no Rust toolchain found. Install one from https://rustup.rs (version 1.89 or later), then run make again."
    exit 1
fi

# Elsewhere than on Debian and its relatives: look for what the build needs, name it, and leave installing to the user.
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    missing=()
    command -v cc >/dev/null || missing+=("a C compiler (cc), which Rust links with")
    if ! command -v pkg-config >/dev/null; then
        missing+=("pkg-config")
    fi
    if ! pkg-config --exists hdf5 2>/dev/null && ! command -v h5cc >/dev/null && [ -z "${HDF5_DIR:-}" ]; then
        missing+=("HDF5 1.10 or later with its headers (or set HDF5_DIR)")
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        say "this system has no apt, so nothing is installed. Please install:"
        printf '  - %s\n' "${missing[@]}" >&2
        say "without a system HDF5, 'cargo build --release --features static-hdf5' builds one (needs cmake 3.26 or later)."
        exit 1
    fi
    exit 0
fi

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

missing=()
for package in libhdf5-dev pkg-config libvulkan1 mesa-vulkan-drivers; do
    installed "$package" || missing+=("$package")
done
command -v cc >/dev/null || missing+=(gcc libc6-dev)
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "missing packages: ${missing[*]}. Run as root: apt-get install ${missing[*]}"
        exit 1
    fi
    as_root=(sudo)
fi

say "installing with ${as_root[*]:+${as_root[*]} }apt-get: ${missing[*]}"
say "(HDF5 for trajectories, pkg-config and a C compiler to link it, a software Vulkan driver for tests of GPU code)"
# A container often has no package lists yet; a failure here shows itself at the installation.
"${as_root[@]}" apt-get update -qq || say "apt-get update failed; trying to install with the lists at hand"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
say "done"
