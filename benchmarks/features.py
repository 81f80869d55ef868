"""Events a second from HDF5 to columns, where the time goes, and memory against file size.

    OMP_NUM_THREADS=1 python -P benchmarks/features.py [--events N] [--file F] [--json OUT]

prints the tables of docs/performance.md. All rates are for one core, the median of the repetitions
with their half spread. The bare calls are the limit of FastJet: the same clustering, constituents
and N-subjettiness, on the same particles, already in memory and in the form that FastJet reads.
The loop is how the notebook of the LHC Olympics does it, one PseudoJet at a time, once with
N-subjettiness by FastJet-contrib, jet by jet, and once without, as there.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import fastjet
import h5py
import hdf5plugin
import numpy as np
from coffea.processor import DaskExecutor
from distributed import Client
from tornado.iostream import IOStream

from overdensity.processors import DijetProcessor, LhcoSource, process, read_events
from overdensity.processors.features.n_subjettiness import contrib_n_subjettiness, n_subjettiness
from overdensity.processors.jets.clustering import cluster
from overdensity.processors.jets.momentum import cartesian

REFERENCE = Path(__file__).resolve().parents[2] / "shared/data/reference/rnd_events_13k.h5"
BATCH = DijetProcessor().batch_events
N_CHUNKS = 200  # of the run whose bytes are counted
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


def loop_over_events(path: str, n_events: int, *, with_tau: bool) -> None:
    """Masses of two jets and mjj, one event after another, with FastJet's Python objects.

    N-subjettiness, which these do not offer, is computed of each event's two jets as an array.
    """
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
            if with_tau:
                inside = [jet.constituents() for jet in jets[:2]]
                momenta = np.array([(p.px(), p.py(), p.pz(), p.E()) for x in inside for p in x])
                lists = ak.unflatten(
                    ak.zip(dict(zip(("px", "py", "pz", "E"), momenta.T, strict=True))),
                    [len(x) for x in inside],
                )
                tau = contrib_n_subjettiness(ak.with_name(lists, "Momentum4D"))
                (tau[:, 1] / tau[:, 0], tau[:, 2] / tau[:, 1])


def to_columns(path: str, chunk_events: int) -> None:
    """Run the whole of `process`, Parquet and all, in this process."""
    with tempfile.TemporaryDirectory() as out:
        process([path], out, source=LhcoSource(), chunk_events=chunk_events)


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
        "Python loop": (lambda: loop_over_events(path, few, with_tau=True), few),
        "Python loop, without N-subjettiness": (
            lambda: loop_over_events(path, few, with_tau=False),
            few,
        ),
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


@contextmanager
def cluster_of_processes(n_workers: int) -> Iterator[Client]:
    """Start a scheduler and workers as processes of their own, as on a facility."""
    dask = [sys.executable, "-m"]
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"{folder}/scheduler.json"
        listen = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        work = ["--no-dashboard", "--nworkers", f"{n_workers}", "--nthreads", "1"]
        commands = (
            [*dask, "distributed.cli.dask_scheduler", *listen, "--scheduler-file", meeting],
            [*dask, "distributed.cli.dask_worker", *work, "--scheduler-file", meeting],
        )
        started = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
        try:
            while not Path(meeting).exists():
                time.sleep(0.1)
            with Client(scheduler_file=meeting) as client:
                client.wait_for_workers(n_workers)
                yield client
        finally:
            for process_of in reversed(started):
                process_of.terminate()
                process_of.wait()


def on_cluster(client: Client, path: str, out: str, chunk_events: int) -> float:
    """Process a file on a cluster; return the seconds it took."""
    start = time.monotonic()
    executor = DaskExecutor(client=client, compression=None)
    process([path], out, source=LhcoSource(), chunk_events=chunk_events, executor=executor)
    return time.monotonic() - start


def scaling(path: str, n_events: int, repeat: int) -> dict[str, Timing]:
    """Wall time with one and two warm workers, in milliseconds an event; taken in turn."""
    times: dict[int, list[float]] = {1: [], 2: []}
    chunk_events = math.ceil(n_events / 16)
    with cluster_of_processes(1) as one, cluster_of_processes(2) as two:
        for i in range(repeat + 1):
            for workers, client in ((1, one), (2, two)):
                with tempfile.TemporaryDirectory() as out:
                    seconds = on_cluster(client, path, out, chunk_events)
                if i:  # the first time is for imports and caches
                    times[workers].append(seconds / n_events * 1e3)
    return {
        f"{workers} worker{'s' * (workers > 1)}": (
            float(np.median(x)),
            (max(x) - min(x)) / 2,
        )
        for workers, x in times.items()
    }


def traffic(path: str, n_events: int, n_chunks: int) -> dict[str, float]:
    """Count what the client's sockets receive while a file is processed in many chunks.

    Chunks are small here, because only their number matters. Also returned is the time that it
    takes to find that all of them are finished.
    """
    received = 0
    read = IOStream.read_from_fd

    def counted(stream: IOStream, buffer: bytearray | memoryview) -> int | None:
        nonlocal received
        n_bytes = read(stream, buffer)
        received += n_bytes or 0
        return n_bytes

    IOStream.read_from_fd = counted  # pyright: ignore[reportAttributeAccessIssue]
    try:
        with cluster_of_processes(2) as client, tempfile.TemporaryDirectory() as out:
            on_cluster(client, path, f"{out}/warm", n_events)
            written = sum(part.stat().st_size for part in Path(f"{out}/warm/columns").iterdir())
            received = 0
            on_cluster(client, path, f"{out}/run", math.ceil(n_events / n_chunks))
            total = received
            again = on_cluster(client, path, f"{out}/run", math.ceil(n_events / n_chunks))
    finally:
        IOStream.read_from_fd = read
    return {
        "chunks": n_chunks,
        "bytes": total,
        "seconds when all is there": again,
        "bytes written per event": written / n_events,
        "bytes read per event": Path(path).stat().st_size / n_events,
    }


def cost_model(ms_per_event: float, moved: dict[str, float]) -> list[list[str]]:
    """Return what 10⁹ events in 10⁵ chunks cost, if every event and chunk costs what was measured."""
    events, chunks = 1e9, 1e5
    looking = 2 * moved["seconds when all is there"] / moved["chunks"]  # of two workers
    return [
        ["worker cores, events to columns", f"{events * ms_per_event / 3.6e6:.0f} core-hours"],
        ["the same on 1000 workers", f"{events * ms_per_event / 6e7:.0f} minutes"],
        ["read", f"{events * moved['bytes read per event'] / 1e12:.1f} TB"],
        ["columns written", f"{events * moved['bytes written per event'] / 1e9:.0f} GB"],
        ["to the client", f"{chunks * moved['bytes'] / moved['chunks'] / 1e6:.0f} MB"],
        ["to find that all chunks are there", f"{chunks * looking / 3600:.1f} core-hours"],
    ]


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
        moved = traffic(path, many, N_CHUNKS)
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
            ["Dask worker processes, warm", "wall ms / event", "efficiency"],
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
    print(
        markdown(
            ["chunks", "bytes to the client", "MB for 10⁶ events in chunks of 10 000"],
            [
                [
                    f"{N_CHUNKS}",
                    f"{moved['bytes']:.0f}",
                    f"{moved['bytes'] / N_CHUNKS * 100 / 1e6:.2f}",
                ]
            ],
        )
    )
    print(f"{N_CHUNKS} finished chunks are found in {moved['seconds when all is there']:.1f} s\n")
    fastest = rate["overdensity, HDF5 to Parquet columns"][0]
    print(markdown(["10⁹ events in 10⁵ chunks", "cost"], cost_model(fastest, moved)))
    if options.json:
        numbers = {"rates": rate, "parts": part, "scaling": scale, "memory": memory}
        numbers["traffic"] = moved
        Path(options.json).write_text(json.dumps(numbers, indent=2))


if __name__ == "__main__":
    main()
