"""Events of a search in regions: normalised, in the order of their ids, in its regions alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("backgrounds.zz.generated=5", "backgrounds.zz.generated is 5, but the files hold"),
        ("signals.vll.generated=399", "signals.vll.generated is 399, but the files hold 400"),
        ("backgrounds.copy={copy}", "backgrounds.zz and backgrounds.copy: 1500 events are the same"),
        ("signals.vll={{files: {copy}, cross_section: 1, generated: 9e3}}", "backgrounds.zz and signals.vll: 1500 events are the same"),
        ("backgrounds.b={data}", "data.parquet is given twice"),
        ("signals.vll.files={none}", "signals.vll: the weights of 400 events sum to 0"),
        ("backgrounds.zz.files={empty}", "backgrounds.zz: the weights of 0 events sum to 0"),
        ("signals.vll.files={empty}", "signals.vll: the weights of 0 events sum to 0"),
        ("signals.vll.files={half}", "half.parquet: column 'weight_up': 1 of 400 values are NaN"),
    ],
)  # fmt: skip
def test_what_would_be_counted_wrong_is_refused(
    region_search: Path, tmp_path: Path, change: str, said: str
) -> None:
    table = pq.read_table(region_search / "vll.parquet")
    zero = np.zeros(len(table))
    places = {"copy": tmp_path / "c.parquet", "data": region_search / "data.parquet"}
    shutil.copy(region_search / "zz.parquet", places["copy"])
    places["empty"] = tmp_path / "empty.parquet"
    pq.write_table(table.slice(0, 0), places["empty"])
    for name, column, value in (("none", "weight", zero), ("half", "weight_up", [None, *zero[1:]])):
        places[name] = tmp_path / f"{name}.parquet"
        pq.write_table(
            table.drop_columns(column).append_column(column, pa.array(value)), places[name]
        )
    config = load_regions(region_search / "regions.yaml", [change.format(**places)])
    with pytest.raises((ConfigError, InputError), match=said):
        read_events(config)


def test_units_and_normalisations_that_look_wrong_are_flagged(
    region_search: Path, tmp_path: Path
) -> None:
    table = pq.read_table(region_search / "data.parquet")
    mev = pa.array(1000 * table["l1_pt"].to_numpy())
    pq.write_table(table.set_column(1, "l1_pt", mev), tmp_path / "data.parquet")
    good = load_regions(region_search / "regions.yaml")
    assert read_events(good).flags == ()
    change = [f"events={tmp_path / 'data.parquet'}", "signals.vll.generated=1e9"]
    units, generated = sorted(
        read_events(load_regions(region_search / "regions.yaml", change)).flags
    )
    assert "feature 'l1_pt': 100 % of the data lie beyond the range" in units
    assert "signals.vll: its files hold 4e-07 of what was generated" in generated


def test_regions_of_large_numbers_are_told_apart(region_search: Path, tmp_path: Path) -> None:
    sets = ["uncertainties={}", "signals={}"]
    for name, key in (("data", "events"), ("zz", "backgrounds.zz.files")):
        table = pq.read_table(region_search / f"{name}.parquet")
        at = table.schema.get_field_index("region")
        numbers = pa.array(2**24 + table["region"].to_numpy())  # neighbors are one float32
        pq.write_table(table.set_column(at, "region", numbers), tmp_path / f"{name}.parquet")
        sets.append(f"{key}={tmp_path / name}.parquet")
    events = read_events(load_regions(region_search / "regions.yaml", sets))
    assert list(events.names) == [2**24, 2**24 + 1, 2**24 + 4]
