"""A small simulated file that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.simulation import SimulationReport, simulate


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """Report of a file with 80 background and 20 signal events, made of several chunks."""
    pytest.importorskip("pythia8mc")
    out: Path = tmp_path_factory.mktemp("simulated") / "small.h5"
    return simulate(out, background=80, signal=20, seed=3, workers=1, chunk_events=60)
