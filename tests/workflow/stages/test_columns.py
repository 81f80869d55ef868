"""From the configuration to sources, processors and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors import (
    Layout,
    LhcoSource,
    ParquetSource,
    RootSource,
    datasets,
)
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.config.search import SearchConfig, parse_config
from overdensity.workflow.stages.columns import (
    check_events,
    column_files,
    event_format,
    event_source,
    make_columns,
    processing_report,
)


def config(files: Any, **keys: Any) -> SearchConfig:
    events = {key: keys.pop(key) for key in ("format", "layout", "key_file") if key in keys}
    return parse_config({"events": {"files": files, **events}, **keys})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.h5", "lhco"), ("a.hdf5", "lhco"), ("a.root", "root"), ("a.parquet", "columns")],
)
def test_the_format_is_told_from_the_name(tmp_path, name, expected) -> None:
    assert event_format(config(f"{tmp_path}/{name}").events) == expected


def test_files_of_two_kinds_need_a_word(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot tell the format"):
        event_format(config([f"{tmp_path}/a.h5", f"{tmp_path}/b.root"]).events)


@pytest.mark.parametrize(
    ("name", "keys", "source"),
    [
        ("a.h5", {}, LhcoSource()),
        ("a.h5", {"key_file": "a.key"}, LhcoSource(keys={"/data/a.h5": "a.key"})),
        ("a.root", {}, RootSource()),
        ("a.root", {"layout": "delphes"}, RootSource("delphes")),
        ("a.parquet", {"format": "parquet"}, ParquetSource("auto")),
        ("a.parquet", {}, None),
    ],
)
def test_the_source_follows_from_the_format(name, keys, source) -> None:
    assert event_source(config(f"/data/{name}", **keys).events) == source


def test_a_layout_of_ones_own_stands_in_the_configuration() -> None:
    layout = {"tree": "t", "collections": {"jets": {"pt": "a", "eta": "b", "phi": "c"}}}
    source = event_source(config("/data/a.root", layout=layout).events)
    assert isinstance(source, RootSource)
    assert isinstance(source.layout, Layout)
    assert source.layout.trees == ("t",)


@pytest.mark.parametrize(
    ("name", "keys", "complaint"),
    [
        ("a.h5", {"layout": "nano"}, "events.layout goes with format root or parquet, not lhco"),
        ("a.root", {"key_file": "k"}, "events.key_file goes with one file of format lhco"),
        ("a.root", {"processor": "dijett"}, "no processor 'dijett'"),
        ("a.root", {"processor": {"name": "dijet", "radiuss": 1}}, "no option 'radiuss'"),
        ("a.root", {"systematics": {"file": "x", "digests": []}}, "unknown key 'digests'"),
    ],
)
def test_keys_that_cannot_be_used_are_named(tmp_path, name, keys, complaint) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=complaint):
        check_events(config(f"{tmp_path}/{name}", **keys))


def test_a_missing_file_is_found_before_a_cluster_starts(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.h5: no such file"):
        check_events(config(f"{tmp_path}/none.h5"))


def test_columns_may_lie_where_the_run_does_not(simulated_events: Path, tmp_path: Path) -> None:
    elsewhere = "memory://columns-of-a-run"
    search = config(str(simulated_events), columns=elsewhere, cluster="threads")
    with pytest.raises(InputError, match="no columns there; run 'overdensity process' first"):
        column_files(search, tmp_path)
    with connect(search.cluster, 1) as client:
        report = make_columns(search, tmp_path, client)
    assert report is not None
    assert processing_report(search, tmp_path) == report
    files = column_files(search, tmp_path)
    assert files == [f"{elsewhere}/columns/{name}" for name in report.partitions]
    assert all(fsspec.filesystem("memory").exists(name.removeprefix("memory:/")) for name in files)
    assert not (tmp_path / "columns").exists()
    assert (tmp_path / "control" / "cutflow.png").is_file()


def test_datasets_in_the_configuration_are_those_of_the_processors(tmp_path: Path) -> None:
    (tmp_path / "a.root").touch()
    files = {"qcd": {"files": f"{tmp_path}/*.root", "xsec": 1.5, "lumi": 2000}}
    search = config(files)
    assert datasets(search.events.files)[0].cross_section == 1.5  # pyright: ignore[reportArgumentType]
    assert event_format(search.events) == "root"
