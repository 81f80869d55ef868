"""The classifier of a signal: no event is scored by trees that saw it, and its limit is the better one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.ml import Folding, performance
from overdensity.workflow.regions import region_classifier
from overdensity.workflow.regions.region_classifier import learn_signal
from overdensity.workflow.regions.region_config import load_regions
from overdensity.workflow.regions.region_events import read_events


def test_trees_tell_the_signal_in_folds_that_they_have_not_learnt(region_search: Path) -> None:
    events = read_events(load_regions(region_search / "regions.yaml"))
    folding = Folding(seed=1, folds=2, scheme="all")
    found = learn_signal(events, "vll", folding)
    assert found is not None
    signal, background = events.signals["vll"].sample, events.backgrounds["zz"].sample
    scores = np.concatenate([found.of(background), found.of(signal)]).astype(np.float32)
    truth = (np.arange(len(scores)) >= len(background)).astype(np.int8)
    assert 0.75 < performance(scores, truth, eps_b=(0.01,)).auc < 0.99
    mine = folding.of(signal.event) == 1
    np.testing.assert_allclose(
        found.models[1].log_odds(np.column_stack([signal.features, signal.group])[mine]),
        found.of(signal)[mine],
        rtol=1e-5,
    )


def test_searches_of_neighbouring_seeds_share_no_seed_of_trees(
    region_search: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = read_events(load_regions(region_search / "regions.yaml"))
    seeds: list[int] = []
    monkeypatch.setattr(
        region_classifier, "fit_classifier", lambda *_, seed, **__: seeds.append(seed)
    )
    for seed in (1, 2):
        learn_signal(events, "vll", Folding(seed=seed, folds=3, scheme="all"))
    assert len(set(seeds)) == 6


def test_a_signal_with_few_events_has_no_classifier(region_search: Path) -> None:
    events = read_events(load_regions(region_search / "regions.yaml"))
    few = events.signals["vll"].sample.take(np.arange(50))
    events.signals["few"] = type(events.signals["vll"])(few, {})
    assert learn_signal(events, "few", Folding(seed=1, folds=3, scheme="all")) is None
