"""Small files of events in each format, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from overdensity.processors import (
    LhcoSource,
    ParquetSource,
    ProcessingReport,
    RootSource,
    process,
)


def rows(n_events: int, *, seed: int, width: int = 40) -> np.ndarray:
    """Return padded rows of pT, eta, phi: two sprays of particles back to back."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(10, width, n_events)
    axis = rng.uniform(-1, 1, (n_events, 1)), rng.uniform(-1, 1, (n_events, 1))
    side = np.arange(width) % 2
    pt = rng.exponential(60, (n_events, width)) + 1
    pt[np.arange(width) >= counts[:, None]] = 0
    eta = np.where(side, axis[0], -axis[0]) + rng.normal(0, 0.1, (n_events, width))
    phi = axis[1] + np.where(side, np.pi / 2, -np.pi / 2) + rng.normal(0, 0.1, (n_events, width))
    return np.stack([pt, eta, phi], axis=-1).reshape(n_events, -1).astype(np.float32)


def write_hdf5(path: Path, *, seed: int) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("df/block0_values", data=rows(60, seed=seed), chunks=(20, 120))


def columns_of_particles(*, seed: int) -> dict[str, ak.Array]:
    triples = rows(60, seed=seed).reshape(60, -1, 3)
    there = triples[..., 0] > 0
    counts = np.count_nonzero(there, axis=1)
    return {
        name: ak.unflatten(triples[there][:, k], counts)
        for k, name in enumerate(("pt", "eta", "phi"))
    }


def write_parquet(path: Path, *, seed: int) -> None:
    particles = columns_of_particles(seed=seed).items()
    table = pa.table({f"particles_{name}": pa.array(x.to_list()) for name, x in particles})
    pq.write_table(table, path, row_group_size=20)


def write_root(path: Path, *, seed: int) -> None:
    columns = columns_of_particles(seed=seed)
    columns |= {"mass": ak.zeros_like(columns["pt"]), "puppiWeight": ak.ones_like(columns["pt"])}
    with uproot.recreate(path) as file:
        file.mktree(
            "Events",
            {
                "PFCands": ak.zip(columns),
                "run": np.ones(60, np.uint32),
                "luminosityBlock": np.full(60, seed, np.uint32),
                "event": np.arange(60, dtype=np.uint64),
            },
        )


FORMATS = {
    "hdf5": (LhcoSource(), write_hdf5),
    "parquet": (ParquetSource(), write_parquet),
    "root": (RootSource("nano"), write_root),
}


def run(file: str, out: str, kind: str, **options: Any) -> ProcessingReport:
    return process([file], out, source=FORMATS[kind][0], chunk_events=20, **options)


def columns(out: Path) -> list[bytes]:
    """Return the partitions byte by byte; their names know when the event file was changed."""
    return [path.read_bytes() for path in sorted((out / "columns").glob("*.parquet"))]
