"""A suite of few small boxes, drawn from a pool of toy columns."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from overdensity.workflow.config.reading import validated
from overdensity.workflow.suite.suite_config import SuiteConfig


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
            "repeats": 1,
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
    return validated(SuiteConfig, copy.deepcopy(values), overrides, origin="suite.yaml")


@pytest.fixture
def values(suite_pool: Path, tmp_path: Path) -> dict[str, Any]:
    """What stands in the YAML file of a suite that is not there yet."""
    return suite_values(suite_pool, tmp_path / "suite")
