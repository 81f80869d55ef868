"""A box whose reach is expected: for a simulated signal, and for a Gaussian resonance."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from overdensity.workflow import load_config
from overdensity.workflow.search_run import expect_reach

from ...conftest import made_once, make_box, write_search


def write_expect(folder: Path, box: Path, signal: Path, **expect: object) -> Path:
    """Write a search of a box with a signal model and a Gaussian resonance at one mass."""
    path = write_search(folder, box)
    values = yaml.safe_load(path.read_text()) | {
        "limits": {"signals": {"Z' 3.8": str(signal)}},
        "expect": {
            "strengths": [30, 80],
            "repeats": 2,
            "toys": 100,
            "efficiencies": {0.1: 0.7, 0.02: 0.5},
            "masses": [3700],
            **expect,
        },
    }
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="session")
def signal_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1000 signal events at 3.8 TeV."""

    def make(folder: Path) -> None:
        make_box(folder / "signal.parquet", background=0, signal=1000, seed=7)

    return made_once(tmp_path_factory, "expect-signal", make) / "signal.parquet"


@pytest.fixture(scope="session")
def expected(box: Path, signal_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search whose reach is expected, and not searched; copy it to change it."""

    def expect(folder: Path) -> None:
        expect_reach(load_config(write_expect(folder, box, signal_file)))

    return made_once(tmp_path_factory, "expected", expect) / "run"
