"""Averages of one configuration on the CPU and on a GPU: the trajectories part within picoseconds, the averages must not."""

import numpy as np

import uncertainty
from melt import displacements, histogram, merged_error
from report import Row, table
from trajectory import ATMOSPHERE, KILOCALORIE_PER_MOLE, replicas

STAGE = "produce"
QUANTITIES = {
    "potential_energy": ("potential energy (kcal/mol)", 1 / KILOCALORIE_PER_MOLE),
    "pressure": ("pressure (atm)", 1 / ATMOSPHERE),
    "translational_temperature": ("temperature of translation (K)", 1.0),
    "rotational_temperature": ("temperature of rotation (K)", 1.0),
}
LAGS = (1.0, 10.0)
PAIRS = ("Ca-O", "K-O", "N-N", "Ca-K")
BINS = np.arange(0.0, 8.01, 0.5)


def thermo_rows(cpu, gpu):
    rows = []
    for key, (name, scale) in QUANTITIES.items():
        (a, a_error), (b, b_error) = (
            uncertainty.mean([scale * run.thermo(STAGE, key)[1] for run in runs]) for runs in (gpu, cpu)
        )
        error = np.hypot(a_error, b_error)
        rows.append(Row(name, a, b, error, 4 * error, "4 s.e."))
    return rows


def displacement(runs, species, lag):
    """MSD (A^2) of a species and its standard error."""
    found = []
    for run in runs:
        time, _, position = run.frames(STAGE)
        found.append(displacements(time, position[:, run.species[run.centre_atom] == species], lag))
    return np.mean([f[0] for f in found]), merged_error([f[0] for f in found], [f[2] for f in found])


def dynamics_rows(cpu, gpu):
    rows = []
    for species in ("N", "K", "Ca"):
        for lag in LAGS:
            (a, a_error), (b, b_error) = displacement(gpu, species, lag), displacement(cpu, species, lag)
            error = np.hypot(a_error, b_error)
            rows.append(Row(f"MSD of {species} at {lag:g} ps (A^2)", a, b, error, 4 * error, "4 s.e."))
    return rows


def structure_rows(cpu, gpu):
    """The worst of the bins of each g(r)."""
    rows = []
    for pair in PAIRS:
        frames = [[histogram(run, pair.split("-"), BINS, every=5) for run in runs] for runs in (gpu, cpu)]
        ours, reference = (np.concatenate(f).mean(0) for f in frames)
        blocks = [np.concatenate([[b.mean(0) for b in np.array_split(g, 4)] for g in f]) for f in frames]
        error = np.sqrt(sum(b.var(0, ddof=1) / len(b) for b in blocks))
        tolerance = np.maximum(4 * error, 0.02 * reference)
        worst = int(np.argmax(abs(ours - reference) / np.maximum(tolerance, 1e-12)))
        name = f"g(r) {pair}, worst of {len(ours)} bins, r = {BINS[worst] + 0.25:.2f} A"
        rows.append(Row(name, ours[worst], reference[worst], error[worst], tolerance[worst], "max(4 s.e., 2 %)"))
    return rows


def check(cpu_directory, gpu_directory):
    cpu, gpu = replicas(cpu_directory), replicas(gpu_directory)
    print(f"\n{gpu_directory} (ours) beside {cpu_directory} (reference)")
    ok = table("thermodynamics on the GPU and on the CPU", thermo_rows(cpu, gpu), digits=6)
    ok &= table("dynamics on the GPU and on the CPU", dynamics_rows(cpu, gpu))
    return table("structure on the GPU and on the CPU", structure_rows(cpu, gpu)) and ok
