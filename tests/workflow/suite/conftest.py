"""A pool of toy columns, and a suite of few small boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from overdensity.workflow.config.reading import validated
from overdensity.workflow.suite.suite_config import SuiteConfig
from overdensity.workflow.suite.suite_run import run_suite

from ...conftest import made_once
from ..challenge.conftest import write_two_jets


def suite_values(pool: Path, out: Path) -> dict[str, Any]:
    """What stands in the YAML file of a suite of two boxes with signal and two without."""
    signal = {
        "files": str(pool / "signal.parquet"),
        "resonance_mass": 3800.0,
        "daughters": [
            {"name": "Y", "mass": 200.0, "prongs": 3},
            {"name": "X", "mass": 500.0, "prongs": 2},
        ],
        "decay": "Z' → X Y",
    }
    return {
        "pool": {
            "backgrounds": {"qcd": str(pool / "background.parquet")},
            "signals": {"xy": signal},
        },
        "boxes": {"number": 2, "events": 4000, "strengths": [1, 15], "masses": [3700, 3900]},
        "search": {
            "features": ["j1_mass", "j2_mass"],
            "scan": {"low": 3000, "high": 5000, "bins": 7},
            "selections": [0.1],
            "folds": 3,
            "fit": {"function": "dijet3"},
            "pseudo_experiments": 100,
        },
        "methods": {"cwola": {"classifier": {"members": 1}}},
        "seed": 3,
        "cluster": "threads",
        "workers": 2,
        "out": str(out),
    }


def suite_of(values: dict[str, Any], *overrides: str) -> SuiteConfig:
    """Return a suite with some keys replaced."""
    return validated(SuiteConfig, values, overrides, origin="suite.yaml")


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 5000 background and 900 signal events, a file each."""

    def make(folder: Path) -> None:
        write_two_jets(folder / "background.parquet", background=5000, signal=0, seed=1)
        write_two_jets(folder / "signal.parquet", background=0, signal=900, seed=2)

    return made_once(tmp_path_factory, "suite-pool", make)


@pytest.fixture
def values(pool: Path, tmp_path: Path) -> dict[str, Any]:
    """What stands in the YAML file of a suite that is not there yet."""
    return suite_values(pool, tmp_path / "suite")


@pytest.fixture(scope="session")
def finished_suite(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a suite that is done; copy it to change it."""

    def make(folder: Path) -> None:
        run_suite(suite_of(suite_values(pool, folder / "suite")))

    return made_once(tmp_path_factory, "suite", make) / "suite"
