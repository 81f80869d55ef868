"""Small LHC Olympics files made here: two sprays of particles back to back, and some soft ones."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path
from types import ModuleType
from typing import Any

import awkward as ak
import dask
import h5py
import hdf5plugin
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed.utils import get_mp_context
from numpy.typing import NDArray

Rows = NDArray[np.float64]
WriteLhco = Callable[..., str]


def dijet_rows(n_events: int, *, seed: int, truth: bool = True, width: int = 120) -> Rows:
    """Return padded rows of events that have at least two jets of R = 1, pT > 50 GeV."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n_events, 3 * width + truth))
    for row in rows:
        jet_eta, jet_phi = rng.uniform(-1.5, 1.5, 2), rng.uniform(-np.pi, np.pi)
        particles = []
        for k in range(2):
            n = rng.integers(5, 45)
            pt = rng.exponential(1300 / n, n) + 0.5
            eta, phi = rng.normal([[jet_eta[k]], [jet_phi + k * np.pi]], 0.15, (2, n))
            particles.append(np.stack([pt, eta, phi], axis=1))
        n = rng.integers(0, 25)
        soft = rng.exponential(3, n) + 0.2, rng.uniform(-3, 3, n), rng.uniform(-np.pi, np.pi, n)
        particles.append(np.stack(soft, axis=1))
        triples = rng.permutation(np.concatenate(particles))
        triples[:, 2] = np.arctan2(np.sin(triples[:, 2]), np.cos(triples[:, 2]))
        row[: triples.size] = triples.ravel()
        if truth:
            row[-1] = rng.integers(0, 2)
    return rows


def write_lhco(path: Path, rows: Rows, *, dataset: str = "df/block0_values", **options: Any) -> str:
    """Write rows as pandas does: a chunked table, compressed with blosc."""
    with h5py.File(path, "w") as file:
        blosc = hdf5plugin.Blosc(cname="blosclz", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
        chunks = (min(7, max(len(rows), 1)), rows.shape[1])
        settings = {"chunks": chunks, "maxshape": (None, rows.shape[1]), **blosc, **options}
        file.create_dataset(dataset, data=rows, **settings)
    return str(path)


def write_flat(path: Path, events: ak.Array) -> None:
    """Write events as a Parquet file of the layout ``flat``, without their ids."""
    columns: dict[str, Any] = {}
    for name in (x for x in events.fields if x != "event"):
        inner: Any = events[name]
        fields = ak.fields(inner)
        columns |= {f"{name}_{field}": inner[field] for field in fields} or {name: inner}
    table = {name: ak.to_arrow(column, extensionarray=False) for name, column in columns.items()}
    pq.write_table(pa.table(table), path)


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., Rows]:
    """The function that makes events."""
    return dijet_rows


@pytest.fixture(scope="session")
def write() -> WriteLhco:
    """The function that writes a file."""
    return write_lhco


@pytest.fixture(scope="session")
def rows() -> Rows:
    """Sixty events with truth."""
    return dijet_rows(60, seed=1)


@pytest.fixture(scope="session")
def lhco_file(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of these events."""
    return write_lhco(tmp_path_factory.mktemp("lhco") / "events.h5", rows)


@pytest.fixture(scope="session")
def forked() -> Iterator[BaseContext]:
    """Let workers be forked from a process that has imported what they need, which takes seconds."""
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        context = get_mp_context()
        modules = ("processors.driver", "processors.final_states", "processors.sources")
        context.set_forkserver_preload(
            ["coffea.processor", "distributed", *(f"overdensity.{module}" for module in modules)]
        )
        yield context


@pytest.fixture(scope="session")
def pool(forked: BaseContext) -> Iterator[ProcessPoolExecutor]:
    """Two processes."""
    with ProcessPoolExecutor(2, mp_context=forked) as started:
        yield started


@pytest.fixture(scope="session")
def energyflow() -> ModuleType:
    """EnergyFlow without its optimal transport, whose library breaks with numpy 2."""
    if importlib.util.find_spec("energyflow") is None:
        pytest.skip("EnergyFlow is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "wasserstein", ModuleType("wasserstein"))
        return importlib.import_module("energyflow")
