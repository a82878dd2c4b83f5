"""`vitrion analyze` on the 700 K melt: beside LAMMPS, and beside other programs on the same frames.

`check_lammps` compares rdf.csv, msd.csv and alpha_2.csv of the whole run with tests/reference/lammps-700K.json by the rule of
tests/reference/README.md: bins merged to 0.2 angstrom, variances pooled, |difference| <= max(4 standard errors, 2 %). The reference's
errors come from 4 blocks: one of them alone is exceeded fourfold in 3 % of all cases (Student's distribution with 3 degrees of
freedom), so the relative variances of lags within a factor of two are averaged. Its blocks are 50 ps long: they say nothing about the
error at longer lags, which are not compared.

`check_peers` analyses 40 frames of one replica, copied into an H5MD file of their own, and compares
- g(r) per bin with freud and MDAnalysis, which read positions in f32: equal totals, 1e-3 a bin or two pairs (a pair whose distance
  rounding moves across an edge changes two bins by one);
- the MSD with MDAnalysis, also in f32: coordinates of 100 angstrom are rounded by 4e-6, so that 1e-6 relative holds from 1 A^2 on;
- S(q) below 1 1/angstrom, in the shells of which every wave vector is taken (32 at most), with dynasor, and the intermediate scattering functions
  at 1 1/angstrom with sums over all atoms in f64: 1e-9, far above the round-off that was measured (1e-15, dynasor 1e-14).
"""

import csv
import json
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np

from melt import LAGS, MERGE, REFERENCE, RULE
from report import Row, table

FRAMES = 40
EVERY = 20
Q = 1.0
SMALL_Q = 1.0  # 1/angstrom
MOST_VECTORS = 32  # that S(q) takes of a shell, of larger ones a part
LONGEST = 50.0  # ps: length of the blocks that the reference has its errors from
SHELL = 0.05  # 1/angstrom: width of the shells of S(q)


def analyze(vitrion, inputs, out, *options):
    command = [vitrion, "analyze", *inputs, "--out", out, *options]
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)


def read(path, *keys):
    """Columns of a CSV by the words of its key columns: {key: {column: array}}."""
    rows = defaultdict(lambda: defaultdict(list))
    with open(path) as file:
        for row in csv.DictReader(file):
            of = rows[tuple(row[k] for k in keys)]
            for name, cell in row.items():
                if name not in keys:
                    of[name].append(float(cell))
    return {k if len(k) > 1 else k[0]: {n: np.array(v) for n, v in of.items()} for k, of in rows.items()}


def pair_of(curves, pair):
    """The curve of a pair, whichever of its species comes first."""
    a, b = pair.split("-")
    return curves.get(pair) or curves[f"{b}-{a}"]


def check_lammps(directory, vitrion):
    stored = json.loads(REFERENCE.read_text())
    out = Path(directory) / "analysis-lammps"
    analyze(vitrion, [directory], out, "--only", "rdf,msd", "--r-max", "12 angstrom", "--r-bins", "240")
    rows = structure_rows(read(out / "rdf.csv", "pair"), stored)
    ok = table("rdf.csv of `vitrion analyze`, beside LAMMPS", rows)
    rows = []
    for name in ("msd", "alpha_2"):
        rows += dynamics_rows(read(out / f"{name}.csv", "species"), name, stored["dynamics"])
    return ok & table("msd.csv and alpha_2.csv of `vitrion analyze`, beside LAMMPS", rows)


def structure_rows(curves, stored):
    centres = np.array(stored["g_r"]["r"])
    width = centres[1] - centres[0]
    edges = np.append(centres - width / 2, centres[-1] + width / 2)
    shells = np.diff(np.maximum(edges, 0.0) ** 3).reshape(-1, MERGE)
    merge = lambda g: (g.reshape(-1, MERGE) * shells).sum(-1) / shells.sum(-1)
    r = centres.reshape(-1, MERGE).mean(1)
    rows = []
    for pair, reference in stored["g_r"]["pairs"].items():
        curve = pair_of(curves, pair)
        np.testing.assert_allclose(curve["r_angstrom"], centres, atol=1e-9)
        ours, expected = merge(curve["value"]), merge(np.array(reference["g"]))
        # Errors of neighbouring bins are correlated: the mean of their variances is that of their sum.
        variance = lambda error: (np.nan_to_num(np.array(error, float)).reshape(-1, MERGE) ** 2).mean(1)
        error = np.sqrt(variance(curve["standard_error"]) + variance(reference["standard_error"]))
        tolerance = np.maximum(4 * error, 0.02 * expected)
        worst = int(np.argmax(abs(ours - expected) / np.maximum(tolerance, 1e-12)))
        outside = int(np.sum(abs(ours - expected) > tolerance + 1e-12))
        name = f"g(r) {pair}, worst of {len(r)} bins, r = {r[worst]:.2f} A ({outside} outside)"
        rows.append(Row(name, ours[worst], expected[worst], error[worst], tolerance[worst], RULE))
    return rows


def dynamics_rows(curves, name, stored):
    """At LAGS and, of the stored lags up to LONGEST, at the worst. Between two lags of ours, 10 % apart at most, values are interpolated over ln t:
    the curvature of ln MSD there leaves less than 1e-3."""
    times = np.array(stored["t_ps"])
    rows = []
    for species in ("N", "K", "Ca"):
        curve, reference = curves[species], stored["species"][species]
        ln = np.log(curve["t_ps"])
        if name == "msd":
            ours = np.exp(np.interp(np.log(times), ln, np.log(curve["value"])))
        else:
            ours = np.interp(np.log(times), ln, curve["value"])
        own = np.interp(np.log(times), ln, curve["standard_error"])
        expected = np.array(reference[name])
        stored_error = pooled(times, expected, np.array(reference[f"{name}_standard_error"]))
        error = np.hypot(pooled(times, ours, own), stored_error)
        tolerance = np.maximum(4 * error, 0.02 * abs(expected))
        compared = times <= LONGEST
        worst = int(np.argmax(compared * abs(ours - expected) / tolerance))
        count = int(compared.sum())
        shown = {int(np.argmin(abs(times - lag))): "" for lag in LAGS} | {worst: f", worst of {count} lags"}
        for i in sorted(shown):
            label = f"{name} {species} at {times[i]} ps{shown[i]}"
            rows.append(Row(label, ours[i], expected[i], error[i], tolerance[i], RULE))
    return rows


def pooled(times, values, errors):
    """Standard errors from the mean relative variance of the lags within a factor of two."""
    relative = errors / abs(values)
    near = lambda t: (times >= t / 2) & (times <= 2 * t)
    return np.array([np.sqrt(np.mean(relative[near(t)] ** 2)) for t in times]) * abs(values)


def some_frames(path, out):
    """Copies frames of a replica into a plain H5MD file; returns species, edges (A) and positions (f64) as they are there."""
    with h5py.File(path, "r") as run, h5py.File(out, "w") as copy:
        run.copy("h5md", copy)
        everything = copy.create_group("particles/all")
        source = run["particles/all"]
        for name in ("species", "mass", "molecule"):
            source.copy(name, everything)
        chosen = slice(0, FRAMES * EVERY, EVERY)
        box = everything.create_group("box")
        for key, value in source["box"].attrs.items():
            box.attrs[key] = value
        for name, element in (("box/edges", source["box/edges"]), ("position", source["position"])):
            group = everything.create_group(name)
            for part in ("step", "time", "value"):
                data = group.create_dataset(part, data=element[part][chosen])
                for key, value in element[part].attrs.items():
                    data.attrs[key] = value
        names = [n if isinstance(n, str) else n.decode() for n in source["species"].attrs["names"]]
        species = np.array([names[s] for s in source["species"][:]])
        edge = float(source["box/edges/value"][0][0, 0])
        assert np.allclose(source["box/edges/value"][chosen], edge * np.eye(3)), "the peers are given one cubic cell"
        return species, edge, everything["position/value"][:].astype(float)


def check_peers(directory, vitrion):
    replica = sorted(Path(directory).glob("replica-*.h5"))[0]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        species, edge, position = some_frames(replica, folder / "frames.h5")
        out = folder / "analysis"
        names = "rdf,msd,isf,structure_factor"
        options = ("--r-max", "12 angstrom", "--r-bins", "240", "--q", f"{Q} 1/angstrom", "--q-max", "2 1/angstrom")
        analyze(vitrion, [folder / "frames.h5"], out, "--only", names, *options)
        unwrapped = unwrap(position, edge)
        ok = table("g(r) of `vitrion analyze`, per bin", rdf_rows(out, species, edge, position), digits=6)
        ok &= table("MSD of `vitrion analyze`", msd_rows(out, species, unwrapped), digits=9)
        rows = scattering_rows(out, species, edge, position, unwrapped)
        rows += structure_factor_rows(out, species, edge, position, folder)
        return ok & table("scattering functions of `vitrion analyze`", rows, digits=9)


def unwrap(position, edge):
    step = np.diff(position, axis=0)
    step -= edge * np.rint(step / edge)
    return np.concatenate([position[:1], position[:1] + np.cumsum(step, axis=0)])


def largest(quantity, ours, reference, tolerance, origin):
    """A row for the place of the largest difference in units of the tolerance."""
    ours, reference = np.asarray(ours), np.asarray(reference)
    tolerance = np.broadcast_to(tolerance, ours.shape)
    i = np.argmax(abs(ours - reference) / tolerance)
    return Row(quantity, ours[i], reference[i], 0.0, tolerance[i], origin)


def rdf_rows(out, species, edge, position):
    import freud
    import MDAnalysis
    from MDAnalysis.analysis.rdf import InterRDF

    curves = read(out / "rdf.csv", "pair")
    universe = MDAnalysis.Universe.empty(len(species), trajectory=True)
    universe.load_new(position.astype(np.float32), dimensions=[edge] * 3 + [90.0] * 3)
    box = freud.box.Box.cube(edge)
    edges = np.linspace(0.0, 12.0, 241)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    rows = []
    kinds = ["N", "O", "K", "Ca"]
    for i, a in enumerate(kinds):
        for b in kinds[i:]:
            first, second = np.flatnonzero(species == a), np.flatnonzero(species == b)
            # Ordered pairs in a bin, summed over the frames.
            scale = FRAMES * shells / edge**3 * len(first) * (len(second) - (a == b))
            exact = pair_of(curves, f"{a}-{b}")["value"] * scale
            ours = np.rint(exact)
            np.testing.assert_allclose(ours, exact, atol=1e-3, err_msg=f"{a}-{b}: no whole numbers of pairs")
            counter = freud.density.RDF(bins=240, r_max=12.0)
            for number, frame in enumerate(position):
                query = dict(r_max=12.0, exclude_ii=a == b)
                points = box.wrap(frame[second])
                counter.compute((box, points), box.wrap(frame[first]), neighbors=query, reset=number == 0)
            peers = {"freud": np.asarray(counter.bin_counts, float)}
            block = (1, 1) if a == b else None
            found = InterRDF(
                universe.atoms[first], universe.atoms[second], nbins=240, range=(0.0, 12.0), exclusion_block=block
            ).run()
            peers["MDAnalysis"] = np.asarray(found.results.count, float)
            for peer, counts in peers.items():
                two = 4.0 if a == b else 2.0
                rule = "1e-3 or two pairs"
                rows.append(largest(f"pairs {a}-{b}, {peer}", ours, counts, np.maximum(1e-3 * counts, two), rule))
                total = ours[edges[1:] <= 11.99].sum(), counts[edges[1:] <= 11.99].sum()
                rows.append(Row(f"pairs {a}-{b} up to 11.95 A, {peer}", *total, 0.0, max(two, 1e-6 * total[1]), "equal"))
    return rows


def msd_rows(out, species, unwrapped):
    import MDAnalysis
    from MDAnalysis.analysis.msd import EinsteinMSD

    curves = read(out / "msd.csv", "species")
    universe = MDAnalysis.Universe.empty(len(species), trajectory=True)
    universe.load_new(unwrapped.astype(np.float32))
    rows = []
    for name in ("N", "K", "Ca"):
        chosen = np.flatnonzero(species == name)
        selection = "index " + " ".join(map(str, chosen))
        found = EinsteinMSD(universe, select=selection, msd_type="xyz", fft=False).run()
        expected = np.asarray(found.results.timeseries)[1:]
        ours = curves[name]["value"]
        rows.append(largest(f"MSD {name}, MDAnalysis", ours, expected, 1e-6 * np.maximum(expected, 1.0), "1e-6"))
    return rows


def wave_vectors(edge, low, high):
    """One of each two opposite lattice vectors with a length in [low, high)."""
    most = int(high * edge / (2 * np.pi)) + 1
    n = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    k = 2 * np.pi / edge * n
    length = np.linalg.norm(k, axis=1)
    half = (n[:, 0] > 0) | ((n[:, 0] == 0) & ((n[:, 1] > 0) | ((n[:, 1] == 0) & (n[:, 2] > 0))))
    return k[half & (length >= low) & (length < high)]


def scattering_rows(out, species, edge, position, unwrapped):
    rows = []
    # All wave vectors within 0.05 of Q: fewer than the 150 that are taken at most.
    k = wave_vectors(edge, Q - 0.05, Q + 0.05)
    assert 10 <= len(k) <= 150, len(k)
    coherent = read(out / "isf_coherent.csv", "species_or_weighting")
    own = read(out / "isf_self.csv", "species_or_weighting")
    for name in ("N", "O", "K", "Ca", "all"):
        chosen = (species == name) | (name == "all")
        amplitude = np.stack([np.exp(-1j * r[chosen] @ k.T).sum(0) for r in position])
        lags = range(1, FRAMES)
        square = abs(amplitude) ** 2
        expected = [
            np.sum(amplitude[t:] * amplitude[:-t].conj()).real / np.sum(square[:-t]) for t in lags
        ]
        rows.append(largest(f"F(1/A, t) {name}, direct sum", coherent[name]["value"], expected, 1e-9, "round-off"))
        expected = []
        for t in lags:
            d = np.linalg.norm(unwrapped[t:, chosen] - unwrapped[:-t, chosen], axis=-1)
            expected.append(np.sinc(Q * d / np.pi).mean())
        rows.append(largest(f"F_s(1/A, t) {name}, direct sum", own[name]["value"], expected, 1e-9, "round-off"))
    return rows


def structure_factor_rows(out, species, edge, position, folder):
    from dynasor import Trajectory, compute_static_structure_factors

    curves = read(out / "structure_factor.csv", "pair_or_weighting")
    path = folder / "frames.xyz"
    with open(path, "w") as file:
        for frame in position % edge:
            file.write(f'{len(species)}\nLattice="{edge!r} 0 0 0 {edge!r} 0 0 0 {edge!r}" Properties=species:S:1:pos:R:3 pbc="T T T"\n')
            for name, (x, y, z) in zip(species, frame):
                file.write(f"{name} {x:.17g} {y:.17g} {z:.17g}\n")
    kinds = ["N", "O", "K", "Ca"]
    indices = {name: np.flatnonzero(species == name).tolist() for name in kinds}
    trajectory = Trajectory(str(path), trajectory_format="extxyz", atomic_indices=indices)
    low = np.arange(0.0, SMALL_Q - 1e-9, SHELL)
    shells = [k for k in (wave_vectors(edge, max(q, 1e-9), q + SHELL) for q in low) if len(k)]
    whole = [i for i, k in enumerate(shells) if len(k) <= MOST_VECTORS]
    assert len(whole) >= 8, len(whole)
    shells = [shells[i] for i in whole]
    found = compute_static_structure_factors(trajectory, np.concatenate(shells))
    ends = np.cumsum([len(k) for k in shells])[:-1]
    rows = []
    for i, a in enumerate(kinds):
        for b in kinds[i:]:
            key = next(f"Sq_{x}_{y}" for x, y in ((a, b), (b, a)) if f"Sq_{x}_{y}" in found.available_correlation_functions)
            # dynasor: <rho_a rho_b*>/N, both orders of unlike species together.
            product = np.asarray(found[key]).real.ravel() / (1 if a == b else 2)
            shares = [np.mean(species == s) for s in (a, b)]
            partial = 1 + (product - (shares[0] if a == b else 0)) / np.prod(shares)
            expected = [s.mean() for s in np.split(partial, ends)]
            ours = pair_of(curves, f"{a}-{b}")["value"][whole]
            rows.append(largest(f"S(q) {a}-{b}, dynasor", ours, expected, 1e-9 * np.maximum(np.abs(expected), 1), "round-off"))
    return rows
