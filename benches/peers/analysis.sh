#!/usr/bin/env bash
# Vitrion's analysis beside MDAnalysis, freud, tidynamics and direct sums in NumPy, on the same trajectory, machine and cores, one run.
# Usage: benches/peers/analysis.sh FILE.h5   (a trajectory of Vitrion on an even schedule)
# Needs `pip install MDAnalysis h5py freud-analysis tidynamics`; PYTHON names the interpreter. Prints times and largest differences.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
VITRION=${VITRION:-target/release/vitrion}
PYTHON=${PYTHON:-python3}
file=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo bench --quiet --package vitrion-analysis --bench analysis -- "$file"
for only in rdf msd isf_self isf_coherent; do
    for round in 1 2 3; do
        rm -rf "$work/vitrion-$only"
        start=$(date +%s.%N)
        "$VITRION" analyze "$file" --only "$only" --structure-frames 1000000 --origins 1000000 --r-max "12 angstrom" --r-bins 240 \
            --out "$work/vitrion-$only" >/dev/null 2>&1
        echo "$(date +%s.%N) - $start" | bc
    done | sort -n | sed -n "2s/.*/vitrion analyze $only, the whole program, median of three: & s/p"
done
"$PYTHON" benches/peers/analysis.py "$file" "$work"
