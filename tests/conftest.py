"""Fixtures shared by the tests of all rooms."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import settings

from overdensity.core.progress_bar import set_quiet

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
LOW, HIGH = 3000.0, 5000.0

# The same examples on every run, so that a change fails by what it changes and not by chance;
# `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data that stands beside a checkout; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no reference data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _as_imported() -> None:
    """Undo what a command run by an earlier test did to the log and the progress bars."""
    logging.getLogger("overdensity").setLevel(logging.NOTSET)
    set_quiet(quiet=False)


def make_box(path: Path, *, background: int, signal: int, seed: int) -> Path:
    """Write events with a falling mass spectrum and two features; signal sits at 3.8 TeV."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], [background, signal]).astype(np.int8)
    u = rng.uniform(size=background)
    power = -5.0  # dN/dm ~ m^-6 between the edges
    mass = (LOW**power + u * (HIGH**power - LOW**power)) ** (1 / power)
    mass = np.concatenate([mass, rng.normal(3800.0, 80.0, signal)])
    jet_mass = np.concatenate([rng.gamma(3.0, 60.0, background), rng.normal(500, 30, signal)])
    tau21 = np.concatenate([rng.beta(5, 4, background), rng.beta(3, 12, signal)])
    order = rng.permutation(background + signal)
    columns = {"mjj": mass, "j1_mass": jet_mass, "j1_tau21": tau21}
    table = {name: column[order].astype(np.float32) for name, column in columns.items()}
    pq.write_table(pa.table({**table, "label": label[order]}), path)
    return path


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6000 background events with 120 signal events among them."""
    path = tmp_path_factory.mktemp("box") / "box.parquet"
    return make_box(path, background=6000, signal=120, seed=1)


def write_search(folder: Path, box: Path) -> Path:
    """Write a search of three windows in a box, on threads, into a folder."""
    values = {
        "events": {"format": "columns", "files": [str(box)]},
        "features": ["j1_mass", "j1_tau21"],
        "method": {"name": "cwola", "classifier": {"members": 1}},
        "scan": {"low": LOW, "high": HIGH, "bins": 9},
        "selections": [0.1, 0.02],
        "folds": 3,
        "fit": {"function": "dijet3"},
        "pseudo_experiments": 500,
        "cluster": "threads",
        "out": str(folder / "run"),
    }
    path = folder / "search.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def search_file(box: Path, tmp_path: Path) -> Path:
    """A search of the box that has not begun."""
    return write_search(tmp_path, box)


@pytest.fixture(scope="session")
def finished_run(box: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search of the box; copy it before changing anything."""
    from overdensity.workflow import load_config, run_search

    folder = tmp_path_factory.mktemp("finished")
    run_search(load_config(write_search(folder, box)))
    return folder / "run"


@pytest.fixture(scope="session")
def simulated_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An event file as ``overdensity simulate`` writes it."""
    path = tmp_path_factory.mktemp("simulated") / "box.h5"
    subprocess.run(
        [sys.executable, "-m", "overdensity.workflow.cli", "simulate", path,
         "--background", "30", "--signal", "20", "--seed", "4", "--workers", "1", "--quiet"],
        check=True,
    )  # fmt: skip
    return path
