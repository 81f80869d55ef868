"""Events a second from HDF5 to columns, where the time goes, and memory against file size.

    OMP_NUM_THREADS=1 python -P benchmarks/features.py [--events N] [--file F] [--json OUT]

prints the tables of docs/performance.md. All rates are for one core, the median of the repetitions
with their half spread. The bare calls are the limit of FastJet: the same clustering, constituents
and N-subjettiness, on the same particles, already in memory and in the form that FastJet reads.
The loop is how the notebook of the LHC Olympics does it, one PseudoJet at a time; it has no
N-subjettiness, which FastJet's Python objects do not offer.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import awkward as ak
import fastjet
import h5py
import hdf5plugin
import numpy as np
from coffea.processor import FuturesExecutor

from overdensity.processors import DijetProcessor, LhcoSource, process, read_events
from overdensity.processors.jets import cluster
from overdensity.processors.momentum import cartesian
from overdensity.processors.substructure import contrib_n_subjettiness, n_subjettiness

REFERENCE = Path(__file__).resolve().parents[2] / "shared/data/reference/rnd_events_13k.h5"
BATCH = DijetProcessor().batch_events
Timing = tuple[float, float]


def bare_fastjet(particles: ak.Array) -> None:
    """Everything that FastJet does for the columns, and nothing else."""
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    for start in range(0, len(particles), BATCH):
        sequence = fastjet.ClusterSequence(particles[start : start + BATCH], definition)
        jets = sequence.inclusive_jets()
        leading = ak.argsort(jets.pt, axis=1, ascending=False)[:, :2]
        constituents = ak.flatten(sequence.constituents()[leading], axis=1)
        inside = fastjet.ClusterSequence(ak.to_packed(constituents), definition)
        inside.njettiness("NormalizedMeasure", "OnePass_WTA_KT_Axes", [1, 2, 3], 1.0, 1.0)


def loop_over_events(path: str, n_events: int) -> None:
    """Masses of two jets and mjj, one event after another, with FastJet's Python objects."""
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    with h5py.File(path) as file:
        rows = file["df/block0_values"][:n_events].astype(float)
    for row in rows:
        particles = []
        for i in range(len(row) // 3):
            pt, eta, phi = row[3 * i : 3 * i + 3]
            if pt > 0:
                px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
                energy = math.sqrt(px * px + py * py + pz * pz)
                particles.append(fastjet.PseudoJet(px, py, pz, energy))
        sequence = fastjet.ClusterSequence(particles, definition)
        jets = fastjet.sorted_by_pt(sequence.inclusive_jets(20.0))
        if len(jets) > 1:
            (jets[0].m(), jets[1].m(), (jets[0] + jets[1]).m())


def to_columns(path: str, chunk_events: int, workers: int = 0) -> None:
    """Run the whole of `process`, Parquet and all, here or on worker processes."""
    out = tempfile.mkdtemp()
    executor = FuturesExecutor(workers=workers) if workers else None
    try:
        process([path], out, source=LhcoSource(), chunk_events=chunk_events, executor=executor)
    finally:
        shutil.rmtree(out)


def milliseconds(function: Callable[[], Any], n_events: int, repeat: int) -> Timing:
    """Time a function: CPU milliseconds an event, median and half spread.

    CPU time of this process rather than wall time, so that a neighbour on the machine counts less.
    """
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append((time.process_time() - start) / n_events * 1e3)
    return float(np.median(times)), (max(times) - min(times)) / 2


def rates(path: str, n_events: int, repeat: int) -> dict[str, Timing]:
    """Time the three ways, in CPU milliseconds an event; taken in turn, so that drifts cancel."""
    events = read_events(LhcoSource(), path, 0, n_events)
    particles = cartesian(events.particles)
    few = min(n_events, 500)
    ways: dict[str, tuple[Callable[[], Any], int]] = {
        "overdensity, HDF5 to Parquet columns": (lambda: to_columns(path, n_events), n_events),
        "bare FastJet calls, particles in memory": (lambda: bare_fastjet(particles), n_events),
        "Python loop, no N-subjettiness": (lambda: loop_over_events(path, few), few),
    }
    for function, _ in ways.values():
        function()  # imports, caches, compilation
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, (function, n) in ways.items():
            taken[name].append(milliseconds(function, n, 1)[0])
    return {name: (float(np.median(x)), (max(x) - min(x)) / 2) for name, x in taken.items()}


def stages(path: str, n_events: int, repeat: int) -> dict[str, Timing]:
    """Time the parts of our way, each on what the part before it made."""
    events = read_events(LhcoSource(), path, 0, n_events)
    batches = [events[i : i + BATCH] for i in range(0, len(events), BATCH)]
    momenta = [cartesian(batch.particles) for batch in batches]
    jets = [ak.flatten(cluster(batch, min_pt=1.0).constituents, axis=1) for batch in momenta]
    processor = DijetProcessor()
    parts: dict[str, Callable[[], Any]] = {
        "read HDF5, unpad": lambda: read_events(LhcoSource(), path, 0, n_events),
        "px, py, pz, E": lambda: [cartesian(batch.particles) for batch in batches],
        "cluster, constituents": lambda: [cluster(batch, min_pt=1.0) for batch in momenta],
        "tau1, tau2, tau3 of two jets": lambda: [n_subjettiness(batch) for batch in jets],
        "all columns, from events in memory": lambda: processor.select(events),
        "for comparison: tau1, tau2, tau3 by FastJet-contrib": lambda: [
            contrib_n_subjettiness(batch) for batch in jets
        ],
    }
    return {name: milliseconds(part, n_events, repeat) for name, part in parts.items()}


def scaling(path: str, n_events: int, repeat: int) -> dict[str, Timing]:
    """Wall time with one and two worker processes, in milliseconds an event."""
    result = {}
    for workers in (1, 2):
        times = []
        for _ in range(repeat):
            start = time.monotonic()
            to_columns(path, math.ceil(n_events / 12), workers)
            times.append((time.monotonic() - start) / n_events * 1e3)
        result[f"{workers} worker{'s' * (workers > 1)}"] = (
            float(np.median(times)),
            (max(times) - min(times)) / 2,
        )
    return result


def write_copies(path: str, target: Path, n_events: int) -> None:
    """Write a file of `n_events`, the events of another again and again, each time turned in phi."""
    rng = np.random.default_rng(1)
    with h5py.File(path) as source, h5py.File(target, "w") as file:
        rows = source["df/block0_values"][: min(n_events, 4000)]
        width = rows.shape[1]
        options = {"chunks": (32, width), **hdf5plugin.Blosc(cname="blosclz", clevel=5)}
        table = file.create_dataset("df/block0_values", (n_events, width), "f4", **options)
        phi = rows[:, 2 : width // 3 * 3 : 3]
        there = rows[:, 0 : width // 3 * 3 : 3] > 0
        for start in range(0, n_events, len(rows)):
            phi[there] = np.mod(phi[there] + rng.uniform(0, 6) + np.pi, 2 * np.pi) - np.pi
            table[start : start + len(rows)] = rows[: n_events - start]


def peak_memory(path: str, n_events: int) -> list[dict[str, float]]:
    """Peak memory of processing a file and one ten times larger, each in its own process."""
    result = []
    with tempfile.TemporaryDirectory() as folder:
        for n in (n_events, 10 * n_events):
            file = Path(folder) / f"{n}.h5"
            write_copies(path, file, n)
            command = [sys.executable, __file__, "--peak-of", str(file)]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            peak = float(done.stdout.splitlines()[-1])
            result.append({"events": n, "file MB": file.stat().st_size / 1e6, "peak MB": peak})
    return result


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Lay out a table."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--file", default=str(REFERENCE), help="LHC Olympics HDF5")
    parser.add_argument("--json", help="also write the numbers here")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        to_columns(options.peak_of, chunk_events=2000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
        return
    if not Path(options.file).is_file():
        parser.error(f"{options.file}: no such file; make one with `overdensity simulate`")

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "events.h5")
        write_copies(options.file, Path(path), options.events)
        rate = rates(path, options.events, options.repeat)
        part = stages(path, options.events, options.repeat)
        many = 5 * options.events
        write_copies(options.file, Path(path), many)
        scale = scaling(path, many, max(options.repeat // 2, 1))
    memory = peak_memory(options.file, options.events)

    bare = rate["bare FastJet calls, particles in memory"][0]
    print(
        markdown(
            ["one core", "CPU ms / event", "events / s", "speed relative to the bare calls"],
            (
                [name, f"{ms:.3f} ± {spread:.3f}", f"{1e3 / ms:.0f}", f"{bare / ms:.2f}"]
                for name, (ms, spread) in rate.items()
            ),
        )
    )
    print(
        markdown(
            ["part", "CPU ms / event"],
            ([name, f"{ms:.3f} ± {spread:.3f}"] for name, (ms, spread) in part.items()),
        )
    )
    one, two = (ms for ms, _ in scale.values())
    print(
        markdown(
            ["processes (start-up included)", "wall ms / event", "efficiency"],
            (
                [name, f"{ms:.3f} ± {spread:.3f}", efficiency]
                for (name, (ms, spread)), efficiency in zip(
                    scale.items(), ("1", f"{one / two / 2:.2f}"), strict=True
                )
            ),
        )
    )
    print(
        markdown(
            ["events", "file [MB]", "peak memory [MB], chunks of 2000"],
            ([f"{x['events']}", f"{x['file MB']:.0f}", f"{x['peak MB']:.0f}"] for x in memory),
        )
    )
    if options.json:
        numbers = {"rates": rate, "parts": part, "scaling": scale, "memory": memory}
        Path(options.json).write_text(json.dumps(numbers, indent=2))


if __name__ == "__main__":
    main()
