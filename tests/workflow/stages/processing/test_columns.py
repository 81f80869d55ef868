"""From event files to columns, and what is refused before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors import (
    SOURCES,
    ProcessingReport,
    Source,
    register_source,
)
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.config.search import SearchConfig
from overdensity.workflow.stages.inputs.event_files import (
    event_format,
    event_source,
    processing_report,
)
from overdensity.workflow.stages.processing.columns import (
    _refuse_nothing,
    check_events,
    make_columns,
    refuse_weights,
)
from overdensity.workflow.stages.run import Run


def config(files: Any, **keys: Any) -> SearchConfig:
    events = {key: keys.pop(key) for key in ("format", "layout", "key_file") if key in keys}
    return parse_config({"events": {"files": files, **events}, **keys})


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


def test_different_weights_are_refused_before_events_are_processed(tmp_path: Path) -> None:
    def run(weight: list[float], **events: Any) -> Run:
        path = tmp_path / "box.parquet"
        table = {f"particles_{x}": [[0.5, 0.25]] * len(weight) for x in ("pt", "eta", "phi")}
        pq.write_table(pa.table({**table, "weight": np.array(weight)}), path)
        files = {"files": str(path), "format": "parquet", **events}
        return Run(parse_config({"events": files, "out": str(tmp_path / "run")}))

    with pytest.raises(InputError, match=r"different weights.*set events\.weights=dropped"):
        refuse_weights(run([1.0, 1.0, -1.0]))
    refuse_weights(run([1.0, 1.0, -1.0], weights="dropped"))
    refuse_weights(run([0.2, 0.2, 0.2]))


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
    SOURCES.remove("text")


def test_a_format_from_outside_is_told_from_the_name(text_format) -> None:
    events = config("/data/a.dat", layout="mine").events
    assert event_format(events) == "text"
    assert event_source(events) == TextSource("mine")


def test_a_format_from_outside_is_named_in_the_configuration(text_format) -> None:
    assert event_source(config("/data/a.parquet", format="text").events) == TextSource()


def test_a_format_that_two_sources_read_must_be_said(text_format, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(TextSource, "suffixes", (".root",))
    with pytest.raises(InputError, match=r"a\.root: no such file"):
        event_format(config(str(tmp_path / "a.root")).events)
    (tmp_path / "a.root").touch()
    with pytest.raises(InputError, match=r"format .*: lhco, parquet, root, text or columns"):
        event_format(config(str(tmp_path / "a.root")).events)


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
    out = str(tmp_path)
    search = config(str(simulated_events), columns=elsewhere, cluster="threads", out=out)
    run = Run(search)
    with pytest.raises(InputError, match="no columns there; run 'overdensity process' first"):
        _ = run.columns
    with connect(search.cluster, 1) as client:
        report = make_columns(run, client)
    assert report is not None
    assert processing_report(search, tmp_path) == report
    files = list(run.columns)
    assert files == [f"{elsewhere}/columns/{name}" for name in report.partitions]
    assert all(fsspec.filesystem("memory").exists(name.removeprefix("memory:/")) for name in files)
    assert not (tmp_path / "columns").exists()
    assert (tmp_path / "control" / "cutflow.png").is_file()


def test_a_processing_that_keeps_nothing_names_the_cut() -> None:
    taken = {"events read": 60, "finite particles": 60, "two jets": 0, "central": 0}
    report = ProcessingReport(
        columns="run/columns",
        rows=0,
        cutflow=taken,
        cutflow_weighted={},
        hists={},
        partitions=(),
        events_read=60,
        events_kept=0,
        reused=0,
        bad_files={},
        seconds=0.0,
    )
    with pytest.raises(InputError, match="no event is left of 60: the cut 'two jets' takes all 60"):
        _refuse_nothing(report)
    none = replace(report, events_read=0, cutflow=dict.fromkeys(taken, 0))
    with pytest.raises(InputError, match="the files hold no events"):
        _refuse_nothing(none)
