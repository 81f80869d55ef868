"""Parquet events, and the same events in three formats."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import awkward as ak
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from overdensity.core import ConfigError, InputError
from overdensity.processors import LhcoSource, RootSource, read_events
from overdensity.processors.sources.parquet import ParquetSource

from ..conftest import write_flat


@pytest.fixture
def events(lhco_file) -> ak.Array:
    return read_events(LhcoSource(), lhco_file)


@pytest.fixture
def flat(events, tmp_path) -> str:
    write_flat(tmp_path / "flat.parquet", events)
    return str(tmp_path / "flat.parquet")


def write_root(path: Path, events: ak.Array) -> str:
    with uproot.recreate(path) as file:
        columns = {f"particles_{x}": events.particles[x] for x in ("pt", "eta", "phi")}
        file.mktree("events", {**columns, "label": events.label})
    return str(path)


def write_nested(path: Path, events: ak.Array) -> str:
    particles = ak.zip({x: events.particles[x] for x in ("pt", "eta", "phi", "mass")})
    nested = ak.Array({"particles": particles, "label": events.label})
    ak.to_parquet(nested, path, extensionarray=False, row_group_size=13)
    return str(path)


def assert_same(one: ak.Array, other: ak.Array) -> None:
    assert one.fields == other.fields
    for name in one.fields:
        assert ak.array_equal(one[name], other[name]), name


def test_events_and_ids_are_the_same_from_hdf5_root_and_parquet(events, flat, tmp_path) -> None:
    assert_same(read_events(ParquetSource(), flat), events)
    nested = write_nested(tmp_path / "nested.parquet", events)
    assert_same(read_events(ParquetSource(), nested), events)
    assert_same(read_events(RootSource(), write_root(tmp_path / "a.root", events)), events)


def test_the_official_events_are_the_same_in_three_formats(shared_data, tmp_path) -> None:
    official = str(shared_data / "lhco" / "events_anomalydetection_tiny.h5")
    events = read_events(LhcoSource(), official)
    write_flat(tmp_path / "a.parquet", events)
    assert_same(read_events(ParquetSource(), str(tmp_path / "a.parquet")), events)
    assert_same(read_events(RootSource(), write_root(tmp_path / "a.root", events)), events)


def test_a_range_is_the_slice_of_the_whole(events, tmp_path) -> None:
    path = write_nested(tmp_path / "a.parquet", events)
    assert_same(read_events(ParquetSource(), path, 11, 41), events[11:41])


def test_a_range_is_read_without_the_rest(events, tmp_path) -> None:
    path = write_nested(tmp_path / "a.parquet", events)
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(3).column(0)  # events 39 to 51
    content = bytearray(Path(path).read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    Path(path).write_bytes(content)
    assert len(read_events(ParquetSource(), path, 0, 39)) == 39
    with pytest.raises(InputError, match=r"a\.parquet: not a readable Parquet file"):
        read_events(ParquetSource(), path, 30, 45)


def test_stored_jets_are_read_back(shared_data, tmp_path) -> None:
    names = ("fat_jets", "leptons", "rho")
    path = str(shared_data / "root" / "nano_tt_v15.root")
    events = read_events(RootSource(), path, collections=names)
    write_flat(tmp_path / "a.parquet", events)
    again = read_events(ParquetSource(), str(tmp_path / "a.parquet"), collections=names)
    for name in (*names, "weight"):
        assert ak.array_equal(again[name], events[name]), name


def test_what_is_missing_is_said(flat) -> None:
    with pytest.raises(InputError, match=r"no jets in .*it lacks jets_pt.*has are particles$"):
        ParquetSource().inspect(flat, ("jets",))


def test_a_table_of_features_is_not_taken_for_events(tmp_path) -> None:
    pq.write_table(pa.table({"mjj": [3000.0], "j1_mass": [100.0]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"single numbers, not lists .* their format is columns"):
        read_events(ParquetSource("auto"), str(tmp_path / "a.parquet"))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere/a\.parquet: no such file"):
        ParquetSource().inspect("nowhere/a.parquet")


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    (tmp_path / "a.parquet").write_text("pt,eta,phi\n" * 10)
    with pytest.raises(InputError, match=r"a\.parquet: not a readable Parquet file"):
        ParquetSource().inspect(tmp_path / "a.parquet")


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match="no layout 'flatt': did you mean 'flat'"):
        ParquetSource("flatt")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[("a", 1.0)]], pa.map_(pa.string(), pa.float64())), "'jets_pt' holds map<"),
        (pa.array([[Decimal("1.5")]]), "'jets_pt' holds list<element: decimal128"),
        (pa.array([["a"]]), r"jets_pt holds no numbers \("),
        (pa.array([[[1.0]]]), r"jets_pt holds lists or records \("),
        (pa.array([1.0]), "jets_pt has one number an event, not a list"),
    ],
)
def test_columns_of_another_kind_are_named(tmp_path, column, said) -> None:
    jets = {f"jets_{name}": [[1.0]] for name in ("pt", "eta", "phi")}
    pq.write_table(pa.table(jets | {"jets_pt": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"a\.parquet: .*{said}"):
        read_events(ParquetSource(), tmp_path / "a.parquet", collections=("jets",))


def test_a_column_twice_is_refused_where_it_would_be_read(tmp_path) -> None:
    jets, path = pa.array([[1.0]]), tmp_path / "a.parquet"
    names = ["jets_pt", "jets_eta", "jets_phi", "other", "other"]
    pq.write_table(pa.Table.from_arrays([jets] * 5, names), path)
    assert len(read_events(ParquetSource(), path, collections=("jets",))) == 1
    pq.write_table(pa.Table.from_arrays([jets] * 4, [*names[:3], "jets_pt"]), path)
    with pytest.raises(InputError, match=r"a\.parquet: its column 'jets_pt' is there twice"):
        ParquetSource().inspect(path, ("jets",))
