from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.config.region import RegionConfig
from overdensity.workflow.config.search import SearchConfig


def search(region: Any) -> SearchConfig:
    return parse_config({"events": {"files": ["box.parquet"]}, "region": region})


def test_every_event_is_on_one_side() -> None:
    rng = np.random.default_rng(1)
    columns = {"eta": rng.normal(size=500), "pt": np.r_[200.0, 300.0, rng.uniform(100, 400, 498)]}
    region = RegionConfig.model_validate(
        {"cuts": {"eta": {"above": -1, "below": 1}, "pt": {"above": 200}}}
    )
    passed = region.keeps(columns)
    expected = (np.abs(columns["eta"]) < 1) & (columns["pt"] >= 200)
    assert np.array_equal(passed, expected)
    assert np.array_equal(region.opposite.keeps(columns), ~expected)
    assert region.opposite.opposite == region


def test_two_cuts_on_one_column_are_a_list() -> None:
    cuts = [{"column": "x", "above": 0}, {"column": "x", "below": 2}]
    region = RegionConfig.model_validate({"cuts": cuts})
    assert region.columns == ("x",)
    assert region.keeps({"x": np.array([-1.0, 1.0, 2.0])}).tolist() == [False, True, False]
    assert str(region) == "events with 0 ≤ x and x < 2"


def test_a_stored_region_is_the_same() -> None:
    config = search({"cuts": {"delta_eta": {"below": 1.3}}})
    assert parse_config(config.model_dump(mode="json")).region == config.region


@pytest.mark.parametrize(
    ("cuts", "said"),
    [
        ({"eta": {}}, "a cut on eta needs above, below or both"),
        ({"eta": {"above": 2, "below": 1}}, "no eta is at least 2 and below 1"),
        ({"eta": {"over": 2}}, "over"),
        ({"eta": {"above": ".nan"}}, "region.cuts"),
        ({"mjj": {"above": 3000}}, "'mjj' is the mass; its range is scan.low and scan.high"),
        ({}, "region.cuts"),
    ],
)
def test_cuts_that_say_nothing_are_refused(cuts: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        search({"cuts": cuts})
