"""Columns of toy jets as files, and a tagger that was trained on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.ml.toy_events import toy_blocks

SMALL = (
    "phi=[16]", "f=[16]", "particles=12", "device=cpu",
    "training={epochs: 8, batch: 50, learning_rate: 1e-2}",
)  # fmt: skip


def write_jets(path: Path, n: int = 500, *, first: int = 0, pt: float = 1500.0) -> Path:
    """Write jets, every other of two prongs; the ids are numbers from ``first`` on."""
    label = np.arange(n) % 2
    offsets, values = toy_blocks(label == 1, np.full(n, pt), seed=first)["j1_constituents"][:]
    particles = pa.StructArray.from_arrays(list(values.T), ["pt", "eta", "phi"])
    table = {
        "event": np.arange(first, first + n, dtype=np.uint64),
        "mjj": np.full(n, 3000.0),
        "constituents": pa.ListArray.from_arrays(offsets, particles),
        "label": label.astype(np.int8),
        "run": pa.array(["a"] * n),
    }
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="session")
def jet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jets(tmp_path_factory.mktemp("jets") / "jets.parquet")


@pytest.fixture(scope="session")
def tagger_file(jet_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from overdensity.workflow.taggers.training import train_to_file

    path = tmp_path_factory.mktemp("tagger") / "prongs.tagger"
    columns = ("constituents",)
    train_to_file([str(jet_file)], path, columns=columns, kind="pfn", overrides=SMALL)
    return path


Call = Callable[..., tuple[int, str, str]]
