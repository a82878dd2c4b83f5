"""Density of the melt at 700 K and 1 atm, 10 angstrom, no tail correction, against LAMMPS (tests/reference/lammps-npt-700K.json).

tests/reference/README.md gives 1.945 +- 0.008 g/cm3, without the run that it comes from; longer runs of LAMMPS itself do not
confirm it, so it is printed and not required.
"""

import json
from pathlib import Path

import numpy as np

import uncertainty
from report import Row, table
from trajectory import ATMOSPHERE, GRAM_PER_CUBIC_CENTIMETRE, replicas

REFERENCE = Path(__file__).parent.parent / "reference/lammps-npt-700K.json"
STATED, STATED_ERROR = 1.945, 0.008


def densities(run, stage):
    """Time (ps) and density (g/cm3)."""
    time, volume = run.thermo(stage, "volume")
    return time, run.mass.sum() / volume / GRAM_PER_CUBIC_CENTIMETRE


def check(directory):
    runs = replicas(directory)
    series = [densities(run, "produce")[1] for run in runs]
    value, error = uncertainty.mean(series)
    spacing = np.diff(densities(runs[0], "produce")[0][:2])[0]
    times = [uncertainty.correlation_time(s) * spacing for s in series]
    print(f"\n{directory}: density of each replica", *(f"{s.mean():.4f}" for s in series))
    print("its correlation time (ps)", *(f"{t:.1f}" for t in times), " its fluctuation", *(f"{s.std():.4f}" for s in series))
    pressure, pressure_error = uncertainty.mean([run.thermo("produce", "pressure")[1] / ATMOSPHERE for run in runs])
    stored = json.loads(REFERENCE.read_text())
    expected, expected_error = stored["density_g_cm3"], stored["standard_error"]
    difference = np.hypot(error, expected_error)
    allowed = STATED_ERROR + 2 * error
    print(
        f"stated elsewhere: {STATED} +- {STATED_ERROR}, of which ours may differ by {allowed:.4f} and does by {value - STATED:.4f},"
        f" LAMMPS' own {expected} +- {expected_error} by {expected - STATED:.4f}"
    )
    rows = [
        Row("density (g/cm3)", value, expected, difference, 4 * difference, "4 s.e., LAMMPS in NPT"),
        Row("pressure (atm)", pressure, 1.0, pressure_error, 4 * pressure_error, "4 s.e."),
    ]
    for name in ("translational", "rotational"):
        t, t_error = uncertainty.mean([run.thermo("produce", f"{name}_temperature")[1] for run in runs])
        rows.append(Row(f"{name} temperature (K)", t, 700.0, t_error, 4 * t_error, "4 s.e."))
    return table("NPT at 700 K and 1 atm", rows, digits=6)
