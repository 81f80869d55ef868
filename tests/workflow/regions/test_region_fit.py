"""Bins of a search in regions are chosen on background alone; limits scale with the prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.workflow.regions.region_config import load_regions
from overdensity.workflow.regions.region_events import read_events
from overdensity.workflow.regions.region_fit import benchmark, refuse_empty_regions, scored_regions

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def scored(path: Path, *changes: str):
    config = load_regions(path, changes)
    events = read_events(config)
    processes = events.backgrounds | events.signals
    pt = {name: each.sample.features[:, 0].astype(float) for name, each in processes.items()}
    data = events.data.features[:, 0].astype(float)
    return config, scored_regions(config, events, data, pt)


def test_bins_hold_as_much_background_as_was_asked_for(region_search: Path) -> None:
    config, regions = scored(region_search / "regions.yaml", "expected=5", "bins=20")
    _, other = scored(region_search / "regions.yaml", f"events={region_search / 'added.parquet'}")
    for region in regions:
        assert min(region.backgrounds["zz"].events) >= 5 * 0.99
        assert sum(region.observed) > 0
    assert len(regions[0].observed) > 3
    _, again = scored(region_search / "regions.yaml")
    for one, two in zip(other, again, strict=True):
        np.testing.assert_array_equal(one.edges, two.edges)  # other data, the same bins
    assert regions[0].backgrounds["zz"].factors == {"luminosity": 0.02}
    assert set(regions[0].signals["vll"].variations) == {"pileup"}
    limit, workspace = benchmark(config, "vll", regions)
    assert limit.observed == pytest.approx(0.3 * limit.strength.observed)
    assert [each["name"] for each in workspace["channels"]] == ["0", "1", "4"]


def test_a_region_without_enough_background_for_a_bin_is_refused(region_search: Path) -> None:
    config = load_regions(region_search / "regions.yaml")
    events = read_events(config)
    few = events.backgrounds["zz"]
    few.sample.group[few.sample.group == 4] = 1
    few.sample.group[:3] = 4
    sizes = {"zz": len(few.sample), "vll": len(events.signals["vll"].sample)}
    scores = {name: np.zeros(n) for name, n in sizes.items()}
    said = "region '4': 3 simulated events are worth less than 10"
    with pytest.raises(InputError, match=said):
        scored_regions(config, events, np.zeros(len(events.data)), scores)
    with pytest.raises(InputError, match=said):
        refuse_empty_regions(config, events)
