"""Sealed boxes whose events are drawn, not simulated; a search of events with two jets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.simulation import Recipe, recipe_of
from overdensity.simulation.lhco_file import frame_writer
from overdensity.workflow import parse_config
from overdensity.workflow.challenge.key import Key
from overdensity.workflow.challenge.sealing import make_box
from overdensity.workflow.search_run import hunt_search, score_search

from ...conftest import made_once

COLUMNS = 12  # in place of 2100
Sealed = tuple[Path, Path, Key]


def drawn_events(recipe: Recipe, path: Path, seed: int) -> None:
    """Write random events and their labels apart, as ``simulate_recipe`` does."""
    rng = np.random.default_rng(seed)
    numbers = [sum(p.events for p in recipe.facts if p.signal is s) for s in (False, True)]
    labels = rng.permutation(np.repeat([0.0, 1.0], numbers))
    with frame_writer(path, len(labels), COLUMNS) as frame:
        frame.append(rng.exponential(100.0, (len(labels), COLUMNS)))
    with frame_writer(path.with_suffix(".key.h5"), len(labels), 1) as frame:
        frame.append(labels[:, None])


def recipe_of_box(background: int, signal: int) -> Recipe:
    """A recipe of QCD and a Z' of 3823 GeV to X of 732 and Y of 378 GeV, two prongs each."""
    composition = {"qcd": background, "signal": signal}
    return recipe_of({"preset": "bb1", "composition": composition}, origin="box.yaml")


@pytest.fixture
def seal(tmp_path: Path) -> Callable[..., Sealed]:
    """Seal a box of so many background and signal events; returns box, key file and key."""

    def make(name: str = "box", *, background: int = 180, signal: int = 20) -> Sealed:
        box, key = tmp_path / f"{name}.h5", tmp_path / f"{name}.key.json"
        recipe = recipe_of_box(background, signal)
        return box, key, make_box(recipe, box, key, simulate=drawn_events)

    return make


def write_two_jets(path: Path, *, background: int, signal: int, seed: int) -> Path:
    """Write events of two jets: a resonance of 3800 GeV to 500 GeV of two and 200 GeV of three prongs.

    Which of the jets is the first is chance.
    """
    rng = np.random.default_rng(seed)
    n, is_signal = background + signal, np.arange(background + signal) >= background
    low, high = 3000.0**-5, 5000.0**-5
    mass = (low + rng.uniform(size=n) * (high - low)) ** (-1 / 5)
    columns = {"mjj": np.where(is_signal, rng.normal(3800.0, 80.0, n), mass)}
    x_first = rng.random(n) < 0.5
    for jet, is_x in (("j1", x_first), ("j2", ~x_first)):
        for name, of_x, of_y, of_background in (
            ("mass", rng.normal(500, 20, n), rng.normal(200, 12, n), rng.gamma(3, 60, n)),
            ("tau21", rng.normal(0.3, 0.1, n), rng.normal(0.5, 0.1, n), rng.normal(0.55, 0.1, n)),
            ("tau32", rng.normal(0.7, 0.1, n), rng.normal(0.52, 0.1, n), rng.normal(0.7, 0.1, n)),
        ):
            of_signal = np.where(is_x, of_x, of_y)
            columns[f"{jet}_{name}"] = np.abs(np.where(is_signal, of_signal, of_background))
    order = rng.permutation(n)
    table = {name: values[order].astype(np.float32) for name, values in columns.items()}
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="session")
def two_jets_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search of two jets, which has results and no report; copy it to change it."""

    def search(folder: Path) -> None:
        values = {
            "events": {
                "files": str(
                    write_two_jets(folder / "jets.parquet", background=5000, signal=200, seed=1)
                )
            },
            "features": ["j1_mass", "j2_mass"],
            "method": {"name": "cwola", "classifier": {"members": 1}},
            "scan": {"low": 3000, "high": 5000, "bins": 9},
            "selections": [0.1, 0.02],
            "folds": 3,
            "repeats": 1,
            "fit": {"function": "dijet3"},
            "pseudo_experiments": 100,
            "cluster": "threads",
            "out": str(folder / "run"),
        }
        config = parse_config(values)
        score_search(config, process=False)
        hunt_search(config)

    return made_once(tmp_path_factory, "two-jets", search) / "run"
