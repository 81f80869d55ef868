"""Events of a search in regions: normalised, in the order of their ids, in its regions alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.workflow.regions.region_config import load_regions
from overdensity.workflow.regions.region_events import read_events


def test_backgrounds_are_normalised_to_cross_section_and_luminosity(region_search: Path) -> None:
    config = load_regions(region_search / "regions.yaml")
    zz = read_events(config).backgrounds["zz"]
    assert zz.weight.sum() == pytest.approx(4.0 * 100)
    up, down = zz.varied["pileup"]
    np.testing.assert_allclose((up + down) / 2, zz.weight, rtol=1e-5)
    assert (np.diff(zz.sample.event.astype(np.float64)) >= 0).all()
    assert zz.relative_error == 0.05


def test_generated_events_are_what_a_cross_section_stands_for(region_search: Path) -> None:
    config = load_regions(
        region_search / "regions.yaml", ["signals.vll.generated=4000", "signals.vll.mass=200"]
    )
    vll = read_events(config).signals["vll"]
    assert vll.weight.sum() == pytest.approx(400 / 4000 * 0.3 * 100)


def test_fewer_generated_events_than_there_are_are_refused(region_search: Path) -> None:
    config = load_regions(region_search / "regions.yaml", ["signals.vll.generated=399"])
    with pytest.raises(InputError, match=r"signals\.vll\.generated is 399, but the files hold 400"):
        read_events(config)


def test_negative_totals_are_refused(region_search: Path, tmp_path: Path) -> None:
    table = pq.read_table(region_search / "vll.parquet")
    place = table.column_names.index("weight")
    table = table.set_column(place, "weight", [-table["weight"].to_numpy()])
    pq.write_table(table, tmp_path / "vll.parquet")
    config = load_regions(
        region_search / "regions.yaml", [f"signals.vll.files={tmp_path / 'vll.parquet'}"]
    )
    with pytest.raises(InputError, match=r"signals\.vll: the weights of 400 events sum to -400"):
        read_events(config)


def test_events_outside_the_regions_are_left_out(region_search: Path) -> None:
    config = load_regions(region_search / "regions.yaml", ["regions={1: 4l_1Z}"])
    events = read_events(config)
    assert events.names == {1: "4l_1Z"}
    assert set(events.data.groups) == {1}
    assert set(events.backgrounds["zz"].group) == {1}


def test_data_without_background_are_refused(region_search: Path, tmp_path: Path) -> None:
    table = pq.read_table(region_search / "zz.parquet")
    pq.write_table(table.filter(table["region"].to_numpy() != 1), tmp_path / "zz.parquet")
    config = load_regions(
        region_search / "regions.yaml", [f"backgrounds.zz.files={tmp_path / 'zz.parquet'}"]
    )
    with pytest.raises(InputError, match="region 1 has data and no simulated background"):
        read_events(config)
