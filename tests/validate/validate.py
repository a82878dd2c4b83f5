"""The long physics checks: runs the configurations of this folder with `vitrion` and compares what they give.

    python tests/validate/validate.py --vitrion target/release/vitrion --dir target/validate

Runs go on where they were interrupted, finished ones are only read. Prints one table a check (quantity, ours, reference,
standard error, tolerance and where it comes from) and ends with 1 if anything failed. `--only` takes names of checks.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import analyze
import backends
import cooling
import density
import drift
import ensembles
import melt

CONFIGS = Path(__file__).parent / "configs"

# Name of a check: the runs that it needs, each a configuration and a backend ("" for that of the configuration), and what it
# does with their directories.
CHECKS = {
    "melt": ([("melt-nvt-4fs", "")], melt.check),
    "kinetic": ([("melt-nvt-4fs", "")], lambda d: ensembles.check_kinetic(d, "produce")),
    "density": ([("density-and-cooling", "")], density.check),
    "cooling": ([("density-and-cooling", "")], cooling.check),
    "pressures": ([("two-pressures", "")], lambda d: ensembles.check_pressures(d, "produce")),
    "drift-4fs": ([("drift-4fs", "")], lambda d: drift.check(d, "nve")),
    "drift-1fs": ([("drift-1fs", "")], lambda d: drift.check(d, "nve")),
    "melt-2fs": ([("melt-nvt-2fs", "")], melt.check),
    "drift-reference": ([("drift-reference", ""), ("drift-mixed", "")], drift.check_reference),
    "backends": ([("melt-small", "cpu"), ("melt-small", "gpu")], backends.check),
}

# Likewise of what `vitrion analyze` makes of a run; these are given the program as well.
ANALYSES = {
    "analyze-700K": ([("melt-nvt-4fs", "")], analyze.check_lammps),
    "analyze-peers": ([("melt-nvt-4fs", "")], analyze.check_peers),
}


def main():
    names = [*CHECKS, *ANALYSES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vitrion", default="target/release/vitrion", help="the program [%(default)s]")
    parser.add_argument("--dir", default="target/validate", type=Path, help="where runs are kept [%(default)s]")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CHECK", help=", ".join(names))
    parser.add_argument("--threads", type=int, help="threads of each run; all cores by default")
    parser.add_argument("--no-run", action="store_true", help="only read what has been run")
    arguments = parser.parse_args()
    arguments.dir.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in arguments.only:
        runs, check = (CHECKS | ANALYSES)[name]
        directories = [arguments.dir / (f"{config}-{backend}" if backend else config) for config, backend in runs]
        for (config, backend), directory in zip(runs, directories):
            if arguments.no_run:
                continue
            threads = ["--threads", str(arguments.threads)] if arguments.threads else []
            chosen = ["--backend", backend] if backend else []
            command = [arguments.vitrion, *threads, "run", CONFIGS / f"{config}.toml", "--dir", directory, *chosen]
            print(f"\n{name}: {' '.join(map(str, command))}", flush=True)
            subprocess.run(command, check=True)
        if not check(*directories, *([arguments.vitrion] if name in ANALYSES else [])):
            failed.append(name)
        sys.stdout.flush()
    if failed:
        raise SystemExit(f"\nfailed: {', '.join(failed)}")
    print(f"\nall {len(arguments.only)} checks passed")


if __name__ == "__main__":
    main()
