"""A small simulated file that several tests look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.simulation import SimulationReport, simulate
from overdensity.simulation.selection import Events


def events_of(counts: object, objects: object) -> Events:
    """Return events of photons whose jets come from nothing known."""
    n, rows = np.asarray(counts, np.int64), np.asarray(objects, np.float32)
    nothing = np.zeros((len(n), 2))
    photons = np.full(len(rows), 22, np.int16)
    return Events(n, rows, photons, nothing.astype(np.int32), nothing.astype(np.int8))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """Report of a file with 80 background and 20 signal events, made of several chunks."""
    pytest.importorskip("pythia8mc")
    out: Path = tmp_path_factory.mktemp("simulated") / "small.h5"
    return simulate(out, background=80, signal=20, seed=3, workers=1, chunk_events=60)
