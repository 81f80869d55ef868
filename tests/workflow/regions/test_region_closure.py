"""Closure of the flows: what is drawn from them is like the background that they did not learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.workflow.regions.region_closure import close
from overdensity.workflow.regions.region_config import load_regions
from overdensity.workflow.regions.region_events import read_events
from overdensity.workflow.regions.region_scores import learn_regions


def test_drawn_events_are_like_background_in_all_regions_with_a_flow(region_search: Path) -> None:
    config = load_regions(region_search / "regions.yaml")
    events = read_events(config)
    scores = learn_regions(config, events, region_search / "run")  # reads the flows back
    closure = close(scores, events.background, seed=1)
    assert set(closure) == {0, 1}
    for each in closure.values():
        assert each.auc < 0.6
        assert [shape.name for shape in each.features] == ["l1_pt", "n_jets"]
        for shape in each.features:
            assert sum(shape.simulated) == pytest.approx(0.99, abs=0.03)
            np.testing.assert_allclose(shape.drawn, shape.simulated, atol=0.1)
        assert each.features[1].edges[:3] == (-0.5, 0.5, 1.5)  # a bin for each number of jets
