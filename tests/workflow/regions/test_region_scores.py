"""Scores of a search in regions: of models that did not learn from the event."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from overdensity.workflow.regions.region_config import load_regions
from overdensity.workflow.regions.region_events import read_events
from overdensity.workflow.regions.region_scores import learn_regions


def test_an_event_is_scored_by_the_model_of_its_fold_and_thin_regions_by_none(
    region_search: Path,
) -> None:
    config = load_regions(region_search / "regions.yaml")
    events = read_events(config)
    scores = learn_regions(config, events, region_search / "run")  # reads the flows back
    assert scores.thin == {4}
    background = events.background
    found, folds = scores.of(background), scores.folding.of(background.event)
    for fold, model in enumerate(scores.models):
        mine = (folds == fold) & (background.group != 4)
        np.testing.assert_allclose(found[mine], model.score(background.take(mine)), rtol=1e-6)
    assert not found[background.group == 4].any()


def test_flows_that_are_damaged_are_made_again(
    region_search: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = load_regions(region_search / "regions.yaml")
    events = read_events(config)
    shutil.copytree(region_search / "run" / "flows", tmp_path / "flows")
    path = min((tmp_path / "flows").glob("fold0-*.npz"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    learn_regions(config, events, tmp_path)
    assert "fold0-" in caplog.text
    assert "it is made again" in caplog.text
    assert len(path.read_bytes()) == len(whole)
