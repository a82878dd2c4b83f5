"""g(r), MSD and alpha_2 of the 700 K melt against LAMMPS (tests/reference/lammps-700K.json).

The rule is that of tests/reference/README.md: g(r) merged to bins of 0.2 angstrom, |difference| <= max(4 standard errors, 2 %),
the variances of both sides added. MSD and alpha_2 are compared at 1, 10 and 47.6 ps (the stored lag next to 50 ps).
"""

import json
from pathlib import Path

import numpy as np

import uncertainty
from report import Row, table
from trajectory import ATMOSPHERE, BOLTZMANN, KILOCALORIE_PER_MOLE, replicas

REFERENCE = Path(__file__).parent.parent / "reference/lammps-700K.json"
FORCES = REFERENCE.with_name("ckn2376-700K.forces.csv")
RULE = "max(4 s.e., 2 %)"
LAGS = (1.0, 10.0, 47.6)
MERGE = 4  # bins of 0.05 angstrom


def displacements(time, position, lag, blocks=4):
    """MSD (A^2) and alpha_2 over all origins, then those of blocks of origins; `position` is frames x particles x 3."""
    shift = int(round(lag / (time[1] - time[0])))
    step = position[shift:] - position[:-shift]
    squares = np.einsum("tni,tni->tn", step, step)
    second, fourth = squares.mean(axis=1), (squares**2).mean(axis=1)
    split = list(zip(np.array_split(second, blocks), np.array_split(fourth, blocks)))
    return (
        second.mean(),
        non_gaussian(second, fourth),
        [s.mean() for s, _ in split],
        [non_gaussian(s, f) for s, f in split],
    )


def non_gaussian(second, fourth):
    """alpha_2 = 3 <dr^4> / (5 <dr^2>^2) - 1."""
    return 3 * fourth.mean() / (5 * second.mean() ** 2) - 1


def merged_error(values_by_replica, blocks_by_replica):
    """Standard error of the mean over replicas: the larger of that from blocks and that from three or more replicas."""
    blocks = np.concatenate(blocks_by_replica)
    by_blocks = blocks.std(ddof=1) / np.sqrt(len(blocks))
    n = len(values_by_replica)
    by_replicas = np.std(values_by_replica, ddof=1) / np.sqrt(n) if n > 2 else 0.0
    return max(by_blocks, by_replicas)


def dynamics_rows(runs, stored, lags=LAGS):
    rows = []
    times = np.array(stored["dynamics"]["t_ps"])
    for species in ("N", "K", "Ca"):
        reference = stored["dynamics"]["species"][species]
        for lag in lags:
            found = []
            for run in runs:
                time, _, position = run.frames("produce")
                mine = run.species[run.centre_atom] == species
                found.append(displacements(time, position[:, mine], lag))
            i = int(np.argmin(abs(times - lag)))
            for k, key in enumerate(("msd", "alpha_2")):
                ours = np.mean([f[k] for f in found])
                error = merged_error([f[k] for f in found], [f[k + 2] for f in found])
                total = np.hypot(error, reference[f"{key}_standard_error"][i])
                expected = reference[key][i]
                tolerance = max(4 * total, 0.02 * abs(expected))
                rows.append(Row(f"{key} {species} at {times[i]} ps", ours, expected, total, tolerance, RULE))
    return rows


def histogram(run, pair, edges, every=10):
    """g(r) of one replica's frames (every `every`-th), frame by frame, minimum image in the cubic box."""
    _, box, position = run.frames("produce", "all")
    first, second = (np.flatnonzero(run.species == s) for s in pair)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    result = []
    for h, r in zip(box[::every], position[::every]):
        edge = h[0, 0]
        d = r[first, None] - r[None, second]
        d -= edge * np.rint(d / edge)
        squares = np.einsum("ijk,ijk->ij", d, d).ravel()
        counts, _ = np.histogram(squares[squares < edges[-1] ** 2], edges**2)
        same = pair[0] == pair[1]
        if same:
            counts[0] -= len(first)
        pairs = len(first) * (len(second) - same)
        result.append(counts / (pairs * shells / edge**3))
    return np.array(result)


def structure_rows(runs, stored):
    rows = []
    centres = np.array(stored["g_r"]["r"])
    width = centres[1] - centres[0]
    edges = np.append(centres - width / 2, centres[-1] + width / 2)
    edges[0] = 0.0
    shells = np.diff(edges**3).reshape(-1, MERGE)
    merge = lambda g: (g.reshape(*g.shape[:-1], -1, MERGE) * shells).sum(-1) / shells.sum(-1)
    r = centres.reshape(-1, MERGE).mean(1)
    for pair, reference in stored["g_r"]["pairs"].items():
        frames = [merge(histogram(run, pair.split("-"), edges)) for run in runs]
        ours = np.mean([f.mean(0) for f in frames], axis=0)
        blocks = np.concatenate([[b.mean(0) for b in np.array_split(f, 4)] for f in frames])
        variance = blocks.var(0, ddof=1) / len(blocks)
        expected = merge(np.array(reference["g"]))
        # Errors of neighbouring bins are correlated: the mean of their variances is that of their sum.
        stored_variance = (np.array(reference["standard_error"]).reshape(-1, MERGE) ** 2).mean(1)
        error = np.sqrt(variance + stored_variance)
        tolerance = np.maximum(4 * error, 0.02 * expected)
        worst = int(np.argmax(abs(ours - expected) / np.maximum(tolerance, 1e-12)))
        outside = int(np.sum(abs(ours - expected) > tolerance + 1e-12))
        name = f"g(r) {pair}, worst of {len(r)} bins, r = {r[worst]:.2f} A ({outside} outside)"
        rows.append(Row(name, ours[worst], expected[worst], error[worst], tolerance[worst], RULE))
    return rows


def expected_temperatures(run, timestep, target=700.0):
    """Kinetic temperature that each species of centres has under one thermostat at a finite step (K).

    Velocity Verlet lowers <m v^2> of on-step velocities by the fraction W^2 dt^2/4 against the configuration, exactly for a
    harmonic force and to second order for others (Cuendet and van Gunsteren, J. Chem. Phys. 127, 184102 (2007)); the thermostat
    holds the mean over all centres at the target. W^2 = <F^2>/(3 m kT), from the forces of the stored configuration.
    """
    force = np.loadtxt(FORCES, delimiter=",", skiprows=1)[:, 1:] * KILOCALORIE_PER_MOLE
    centre = np.add.reduceat(force, run.centre_atom)  # molecules are contiguous and begin with their centre
    twice = np.einsum("ni,ni->n", centre, centre) / run.centre_mass / (3 * BOLTZMANN * target)
    species = run.species[run.centre_atom]
    lowered = {s: timestep**2 / 4 * twice[species == s].mean() for s in ("N", "K", "Ca")}
    mean = timestep**2 / 4 * twice.mean()
    return {s: target * (1 + mean - x) for s, x in lowered.items()} | {"rotation": target}


def temperature_rows(runs):
    """Kinetic temperature of the centres of each species, and of rotation, which has a thermostat of its own."""
    rows = []
    series = {name: [] for name in ("N", "K", "Ca", "rotation")}
    for run in runs:
        _, _, velocity = run.frames("produce", "all", "velocity")
        velocity = np.asarray(velocity, float)
        total = run.centre_mass.sum()
        # Nitrogen is the centre of a planar nitrate: its velocity is the nitrate's.
        centres = velocity[:, run.centre_atom]
        for species in ("N", "K", "Ca"):
            mine = run.species[run.centre_atom] == species
            mass = run.centre_mass[mine]
            twice = np.einsum("tni,tni,n->t", centres[:, mine], centres[:, mine], mass)
            # A centre of mass at rest takes its share of freedom from each particle.
            freedom = 3 * len(mass) * (1 - mass[0] / total)
            series[species].append(twice / (freedom * BOLTZMANN))
        # What the oxygens do beside the nitrogen is rotation.
        nitrogen = np.flatnonzero(run.species == "N")
        twice = 0.0
        for k in (1, 2, 3):
            w = velocity[:, nitrogen + k] - velocity[:, nitrogen]
            twice = twice + run.mass[nitrogen[0] + k] * np.einsum("tni,tni->t", w, w)
        series["rotation"].append(twice / (3 * len(nitrogen) * BOLTZMANN))
    expected = expected_temperatures(runs[0], runs[0].stage("produce")[2])
    for name, values in series.items():
        value, error = uncertainty.mean(values)
        rows.append(Row(f"temperature of {name} (K)", value, expected[name], error, 4 * error, "4 s.e."))
    return rows


def check(directory):
    stored = json.loads(REFERENCE.read_text())
    runs = replicas(directory)
    pressure = uncertainty.mean([run.thermo("produce", "pressure")[1] for run in runs])
    timestep = runs[0].stage("produce")[2]
    covered = min(run.frames("produce")[0][-1] for run in runs)
    print(f"\n{directory}: {len(runs)} replicas, {covered:g} ps each, {1e3 * timestep:g} fs")
    print(f"pressure {pressure[0] / ATMOSPHERE:.0f} +- {pressure[1] / ATMOSPHERE:.0f} atm")
    ok = table("MSD (A^2) and alpha_2 of the melt, beside LAMMPS", dynamics_rows(runs, stored))
    ok &= table("g(r) of the melt, beside LAMMPS", structure_rows(runs, stored))
    ok &= table("kinetic temperatures, NVT", temperature_rows(runs), digits=5)
    return ok
