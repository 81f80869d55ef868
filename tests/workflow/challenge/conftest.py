"""Sealed boxes of a recipe whose events are drawn, not simulated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from overdensity.simulation import Recipe, recipe_of
from overdensity.simulation.lhco_file import frame_writer
from overdensity.workflow.challenge.key import Key
from overdensity.workflow.challenge.sealing import make_box

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
