"""Memory of a worker before it has events: what the libraries of each stage take. Prints Markdown; Linux only.

python -P benchmarks/worker_memory.py    # half a minute of CPU

A worker of ``cluster: local`` (one process, one thread) is asked for its resident memory after the work of a stage on a
few events, each stage in a worker of its own; the part that is of its own and not of files on disk is what adds up on
a machine with several workers.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from overdensity.processors import LhcoSource, process
from overdensity.workflow.cluster.connecting import connect

SEEDS = (1, 2, 3)


def nothing() -> None:
    """Do nothing: the worker has Dask and this package."""


def processed() -> None:
    """Turn 50 events of 100 particles into columns, clustering and substructure included."""
    rng = np.random.default_rng(1)
    particles = np.stack(
        [
            rng.exponential(40, (50, 100)),
            rng.normal(0, 0.5, (50, 100)),
            rng.uniform(-3, 3, (50, 100)),
        ],
        axis=-1,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "box.h5")
        with h5py.File(path, "w") as file:
            file["df/block0_values"] = particles.reshape(50, -1)
        process(path, Path(folder, "run"), source=LhcoSource(), monitor=lambda _: None)


def scored(name: str, **options: object) -> None:
    """Train and apply a method on toy events."""
    from overdensity.core.windows import Window
    from overdensity.ml import make_method
    from overdensity.ml.toy_events import toy_events

    sample = toy_events(1500, 50, seed=1)
    method = make_method(name, **options)
    method.fit(sample, Window(3500, 3300, 3700, 3000, 4100), seed=1).score(sample)


def trees() -> None:
    """Score with trees (scikit-learn)."""
    scored("cwola", classifier={"members": 1})


def networks() -> None:
    """Score with a network (PyTorch)."""
    scored("cwola", classifier={"kind": "networks", "members": 1})


STAGES: dict[str, Callable[[], None]] = {
    "a worker that has started": nothing,
    "processing of particles": processed,
    "scoring with trees": trees,
    "scoring with networks": networks,
}


def held_after(task: Callable[[], None]) -> tuple[float, float]:
    """Return the memory of a process after a task, in all and without mapped files, in MB."""
    task()
    lines = Path("/proc/self/status").read_text().splitlines()
    held = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS", "RssAnon")))
    return tuple(int(held[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "RssAnon"))  # pyright: ignore[reportReturnType]


def main() -> None:
    """Measure."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    print("| worker | resident [MB] | of its own [MB] |")
    print("| --- | --- | --- |")
    for name, task in STAGES.items():
        found = []
        for _ in SEEDS:
            with connect("local", 1) as client:
                found.append(client.submit(held_after, task, pure=False).result())
        total, own = zip(*found, strict=True)
        cells = [f"{np.mean(x):.0f} ± {np.std(x, ddof=1):.0f}" for x in (total, own)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
