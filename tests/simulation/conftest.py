"""A small simulated file that several tests look at."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from overdensity.simulation import GeneratorSettings, ProcessKind, SimulationReport, simulate
from overdensity.simulation.generator import open_pythia
from overdensity.simulation.selection import Events

BARE = (  # the hard process alone
    "PartonLevel:ISR = off",
    "PartonLevel:FSR = off",
    "BeamRemnants:primordialKT = off",
    "HadronLevel:all = off",
)


def hard_process(kind: ProcessKind, events: int = 50, pythia: tuple[str, ...] = ()) -> ak.Array:
    """Return the records of events without showers."""
    opened, owned = open_pythia(kind, 5, GeneratorSettings(), (*pythia, *BARE))
    record = opened.nextBatch(events)
    del owned
    assert len(record) == events
    return record.prt


def resonance_and_daughters(prt: ak.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the mass of entry 5 of each event, GeV, and those of its two daughters, the heavier first."""
    code = prt.id[:, 5]
    daughters = prt.m[(prt.id[prt.mother1] == code) & (prt.id != code)]  # entry 5 has copies
    return np.asarray(prt.m[:, 5]), np.sort(np.asarray(daughters[:, :2]), axis=1)[:, ::-1]


def events_of(counts: object, objects: object) -> Events:
    """Return events of photons whose jets come from nothing known."""
    n, rows = np.asarray(counts, np.int64), np.asarray(objects, np.float32)
    nothing = np.zeros((len(n), 2))
    photons = np.full(len(rows), 22, np.int16)
    return Events(
        n, rows, photons, nothing.astype(np.int32), nothing.astype(np.int8), np.ones(len(n))
    )


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """Report of a file with 80 background and 20 signal events, made of several chunks."""
    pytest.importorskip("pythia8mc")
    out: Path = tmp_path_factory.mktemp("simulated") / "small.h5"
    return simulate(out, background=80, signal=20, seed=3, workers=1, chunk_events=60)
