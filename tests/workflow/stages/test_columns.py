"""From the configuration to sources, processors and columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors import (
    SOURCES,
    Layout,
    LhcoSource,
    ParquetSource,
    RootSource,
    Source,
    datasets,
    register_source,
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
        ("a.h5", {"layout": "nano"}, "events.layout goes with format parquet or root, not lhco"),
        ("a.root", {"key_file": "k"}, "events.key_file goes with format lhco, not root"),
        ("a.root", {"processor": "dijett"}, "no processor 'dijett'"),
        ("a.root", {"processor": {"name": "dijet", "radiuss": 1}}, "no option 'radiuss'"),
        ("a.root", {"systematics": {"file": "x", "digests": []}}, "unknown key 'digests'"),
    ],
)
def test_keys_that_cannot_be_used_are_named(tmp_path, name, keys, complaint) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=complaint):
        check_events(config(f"{tmp_path}/{name}", **keys))


@dataclass(frozen=True)
class TextSource(Source):
    """Reads nothing; what matters is how it is found."""

    options: ClassVar[tuple[str, ...]] = ("layout",)
    layout: str = "auto"

    def inspect(self, path: Any, collections: Any = ()) -> Any:
        raise NotImplementedError

    def read(self, chunk: Any, collections: Any = ()) -> Any:
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        return {"format": "text"}


@pytest.fixture
def text_format() -> Iterator[None]:
    """A format that this test adds, and takes away again."""
    register_source("text", suffixes=(".dat",))(TextSource)
    yield
    del SOURCES._known["text"]


def test_a_format_from_outside_is_told_from_the_name(text_format) -> None:
    events = config("/data/a.dat", layout="mine").events
    assert event_format(events) == "text"
    assert event_source(events) == TextSource("mine")


def test_a_format_from_outside_is_named_in_the_configuration(text_format) -> None:
    assert event_source(config("/data/a.parquet", format="text").events) == TextSource()


def test_a_format_that_two_sources_read_must_be_said(text_format, monkeypatch) -> None:
    monkeypatch.setattr(TextSource, "suffixes", (".root",))
    with pytest.raises(InputError, match=r"format .*: lhco, parquet, root, text or columns"):
        event_format(config("/data/a.root").events)


def test_an_unknown_format_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"events\.format: no format 'lhoc': did you mean 'lhco'"):
        config("/data/a.h5", format="lhoc")


def test_columns_have_no_layout() -> None:
    with pytest.raises(ConfigError, match=r"events\.layout is of event files; these are columns"):
        event_source(config("/data/a.parquet", layout="nano").events)


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
