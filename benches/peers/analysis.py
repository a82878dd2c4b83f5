"""The peers' side of analysis.sh: time each, and compare with Vitrion's tables."""
import csv
import subprocess
import sys
import time
import warnings

import h5py
import numpy as np

warnings.filterwarnings("ignore")
path, work = sys.argv[1:3]


def table(name):
    only = {"rdf": "rdf", "msd": "msd", "isf_self": "isf_self", "isf_coherent": "isf_coherent"}[name]
    with open(f"{work}/vitrion-{only}/{name}.csv") as f:
        return list(csv.DictReader(f))


def report(what, seconds, difference):
    print(f"{what}: {seconds:.3g} s; largest difference {difference:.2e}", flush=True)


with h5py.File(path, locking=False) as f:
    species = f["particles/all/species"][...]
    names = [n.decode() if isinstance(n, bytes) else n for n in f["particles/all/species"].attrs["names"]]
    ids = {n: np.flatnonzero(species == i) for i, n in enumerate(names)}
    centres = f["particles/centres/position/value"]
    centre_species = f["particles/centres/species"][...]
    # Frames of the last stage: what Vitrion analyses.
    first = f["vitrion/stages/first_step"][-1]
    step = f["particles/all/position/step"][...]
    chosen = np.flatnonzero(step >= first)
    times = f["particles/all/position/time"][...][chosen]
    box = f["particles/all/box/edges/value"][chosen[0]].diagonal().astype(float)
    start = time.perf_counter()
    unwrapped = centres[chosen[0] : chosen[-1] + 1]
    reading_centres = time.perf_counter() - start
    atoms = f["particles/all/position/value"][chosen[0] : chosen[-1] + 1].astype(float)
# Vitrion's times are those of the whole program. Those of peers that are given arrays leave the reading out:
print(f"h5py, to read the centres: {reading_centres:.2f} s", flush=True)
rdf = table("rdf")
vitrion_g = {}
for row in rdf:
    vitrion_g.setdefault(row["pair"], []).append(float(row["value"]))
pairs = [(a, b) for i, a in enumerate(names) for b in names[i:]]

try:
    import MDAnalysis as mda
    from MDAnalysis.analysis.rdf import InterRDF

    u = mda.Universe.empty(len(species), trajectory=False)
    u.load_new(path, format="H5MD")
    start, worst = time.perf_counter(), 0.0
    for a, b in pairs:
        found = InterRDF(u.atoms[ids[a]], u.atoms[ids[b]], nbins=240, range=(0, 12), norm="none",
                         exclusion_block=(1, 1) if a == b else None).run(start=chosen[0], stop=chosen[-1] + 1)
        n = found.results.count
        shell = 4 / 3 * np.pi * np.diff(np.linspace(0, 12, 241) ** 3)
        # Counts over ideal gas, as Vitrion defines it; the cell does not change in this stage.
        norm = len(ids[a]) * (len(ids[b]) - (a == b)) * shell / box.prod() * len(chosen)
        mine = np.array(vitrion_g[f"{a}-{b}"]) * norm
        worst = max(worst, abs(mine.sum() - n.sum()) / n.sum())
    report("MDAnalysis g(r), all pairs (relative difference of the totals)", time.perf_counter() - start, worst)
except ImportError:
    print("MDAnalysis: not installed")

try:
    import freud

    start, total = time.perf_counter(), None
    hist = {pair: freud.density.RDF(bins=240, r_max=12) for pair in pairs}
    cell = freud.box.Box.from_box(box)
    for frame in atoms:
        for a, b in pairs:
            hist[a, b].compute((cell, frame[ids[b]]), query_points=frame[ids[a]] if a != b else None, reset=False)
    seconds, worst = time.perf_counter() - start, 0.0
    for a, b in pairs:
        n = hist[a, b].bin_counts.astype(float)
        shell = 4 / 3 * np.pi * np.diff(np.linspace(0, 12, 241) ** 3)
        norm = len(ids[a]) * (len(ids[b]) - (a == b)) * shell / box.prod() * len(atoms)
        mine = np.array(vitrion_g[f"{a}-{b}"]) * norm
        worst = max(worst, abs(mine.sum() - n.sum()) / n.sum())
    report("freud g(r), all pairs (relative difference of the totals)", seconds, worst)
except ImportError:
    print("freud: not installed")

rows = [r for r in table("msd") if r["species"] == "all"]
lags = [int(round(float(r["t_ps"]) / (times[1] - times[0]))) for r in rows]
values = np.array([float(r["value"]) for r in rows])
peers = {}
try:
    import tidynamics

    peers["tidynamics"] = lambda: np.mean([tidynamics.msd(r) for r in unwrapped.transpose(1, 0, 2)], axis=0)
except ImportError:
    print("tidynamics: not installed")
try:
    from MDAnalysis.analysis.msd import EinsteinMSD

    in_memory = mda.Universe.empty(unwrapped.shape[1], trajectory=True)
    in_memory.load_new(unwrapped, order="fac")
    peers["MDAnalysis EinsteinMSD"] = lambda: EinsteinMSD(in_memory, msd_type="xyz", fft=True).run().results.timeseries
except (ImportError, NameError):
    print("MDAnalysis: not installed")
try:
    import freud

    peers["freud"] = lambda: freud.msd.MSD(mode="window").compute(unwrapped).msd
except ImportError:
    print("freud: not installed")
# Hundredths of a second on a shared machine: in turns, medians of seven.
bench = ["cargo", "bench", "--quiet", "--package", "vitrion-analysis", "--bench", "analysis", "--", path, "msd"]
ours, theirs, found = [], {name: [] for name in peers}, {}
for _ in range(7):
    ours.append(float(subprocess.run(bench, capture_output=True, text=True, check=True).stdout.split()[-2]))
    for name, run in peers.items():
        start = time.perf_counter()
        found[name] = run()
        theirs[name].append(time.perf_counter() - start)
mine = np.median(ours)
print(f"vitrion in memory, msd, median of seven: {mine:.4f} s", flush=True)
for name, times_of_peer in theirs.items():
    ratio = np.median(times_of_peer) / mine
    report(f"{name} MSD, all lags, median of seven, {ratio:.1f} times ours (relative)", np.median(times_of_peer),
           np.max(abs(values / found[name][lags] - 1)))
start = time.perf_counter()
direct = [np.mean(np.sum((unwrapped[n:] - unwrapped[:-n]) ** 2, axis=-1)) for n in lags]
report("NumPy MSD, same lags (relative)", time.perf_counter() - start, np.max(abs(values / direct - 1)))

# Self ISF of the centres (their positions are f64 in both); Vitrion has measured that of the oxygens as well.
start, worst = time.perf_counter(), 0.0
for name in sorted({names[kind] for kind in centre_species}):
    ions = unwrapped[:, centre_species == names.index(name)]
    for row in table("isf_self"):
        if row["species_or_weighting"] == name:
            n = int(round(float(row["t_ps"]) / (times[1] - times[0])))
            x = float(row["q_per_angstrom"]) * np.linalg.norm(ions[n:] - ions[:-n], axis=-1)
            worst = max(worst, abs(float(row["value"]) - np.mean(np.sinc(x / np.pi))))
report(f"NumPy self ISF of {len(centre_species)} of {len(species)} atoms, same lags and q (absolute)",
       time.perf_counter() - start, worst)
