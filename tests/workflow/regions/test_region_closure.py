"""Closure of the flows: what is drawn from them is like the background that they did not learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from overdensity.ml import Sample
from overdensity.workflow.regions import region_closure
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


def test_drawn_and_compared_events_do_not_follow_the_order_of_ids_or_of_regions(
    region_search: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[Sample, Sample]] = []

    def compare(drawn: Sample, others: Sample, **more: Any) -> Any:
        compared.append((drawn, others))
        return found(drawn, others, **more)

    found = region_closure.compare
    monkeypatch.setattr(region_closure, "compare", compare)
    monkeypatch.setattr(region_closure, "_MOST", 400)
    config = load_regions(region_search / "regions.yaml")
    events = read_events(config)
    scores = learn_regions(config, events, region_search / "run")
    background = events.background
    rising = background.take(np.argsort(background.features[:, 0], kind="stable"))
    close(scores, replace(rising, event=np.arange(len(rising), dtype=np.uint64)), seed=1)
    ((drawn, others),) = compared
    inside = [background.features[background.groups == region, 0] for region in (0, 1)]
    for region, of_all in enumerate(inside):
        some = others.features[others.groups == region, 0]
        assert len(some) == 400
        assert np.median(some) == pytest.approx(np.median(of_all), rel=0.1)
    first, second = (drawn.features[drawn.groups == region, 0][:100] for region in (0, 1))
    assert abs(spearmanr(first, second).statistic) < 0.4
