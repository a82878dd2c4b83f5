"""Cooling from 700 to 300 K in 400 ps at 1 atm against one run of LAMMPS (tests/reference/lammps-cooling-1K-per-ps.json).

One run of 25 ps a bin says little about the mean; the spread from run to run comes from our replicas, pooled over all bins, and
holds for the reference too. LAMMPS' energies are not shifted at the cutoff; the shift of ours is taken off with g(r) = 1.
"""

import json
from pathlib import Path

import numpy as np

from density import densities
from report import Row, table
from trajectory import KILOCALORIE_PER_MOLE, replicas

REFERENCE = Path(__file__).parent.parent / "reference/lammps-cooling-1K-per-ps.json"
RULE = "4 run-to-run s.d. of the difference"
# C of tests/reference/README.md (kcal/mol A^6) by species: at 10 A nothing else of the short range is left.
DISPERSION = {
    ("N", "N"): 259.1,
    ("O", "O"): 259.4,
    ("N", "O"): 259.249957,
    ("K", "K"): 349.9,
    ("K", "N"): 301.096480,
    ("K", "O"): 301.270742,
}


def shift_energy(run, volume, cutoff=10.0):
    """Energy (kcal/mol) that shifting adds: pairs within the cutoff times C/r_cut^6."""
    counts = {s: np.sum(run.species == s) for s in ("N", "O", "K")}
    sphere = 4 / 3 * np.pi * cutoff**3 / volume
    within = {("N", "O"): 3, ("O", "O"): 6}  # ordered neighbours in the own nitrate, which do not interact
    total = 0.0
    for (a, b), c in DISPERSION.items():
        pairs = counts[a] * (counts[b] - (a == b)) * sphere
        inside = counts["N"] * within.get((a, b), 0)
        pairs -= inside
        total += (0.5 if a == b else 1.0) * pairs * c / cutoff**6
    return total


def bins(run):
    """Mean density (g/cm3) and enthalpy (kcal/mol) in bins of 25 K of the set point."""
    time, density = densities(run, "cool")
    _, target, volume, potential, kinetic, pressure = run.thermo(
        "cool", "target_temperature", "volume", "potential_energy", "kinetic_energy", "target_pressure"
    )
    enthalpy = (potential + kinetic + pressure * volume) / KILOCALORIE_PER_MOLE - shift_energy(run, volume)
    index = np.rint(target / 25).astype(int) * 25
    return {t: (density[index == t].mean(), enthalpy[index == t].mean()) for t in np.unique(index)}


def check(directory):
    stored = json.loads(REFERENCE.read_text())["bins"]
    found = [bins(run) for run in replicas(directory)]
    n = len(found)
    if n < 2:
        raise SystemExit(f"{directory}: the spread from run to run needs two replicas or more")
    missing = [b["temperature_K"] for b in stored if any(b["temperature_K"] not in f for f in found)]
    if missing:
        raise SystemExit(f"{directory}: the ramp has not reached {missing[0]} K; run it to its end")
    rows = []
    for k, (name, key) in enumerate((("density (g/cm3)", "density_g_cm3"), ("enthalpy (kcal/mol)", "enthalpy_kcal_mol"))):
        values = np.array([[f[b["temperature_K"]][k] for b in stored] for f in found])
        spread = np.sqrt(values.var(0, ddof=1).mean())
        error = spread * np.sqrt(1 + 1 / n)
        for b, ours in zip(stored, values.mean(0)):
            rows.append(Row(f"{name} at {b['temperature_K']} K", ours, b[key], error, 4 * error, RULE))
        # The means over the whole ramp, where chance averages out: some six independent stretches.
        difference = values.mean() - np.mean([b[key] for b in stored])
        rows.append(Row(f"{name}, mean difference", difference, 0.0, error / np.sqrt(6), 4 * error / np.sqrt(6), RULE))
    return table("cooling at 1 K/ps", rows, digits=6)
