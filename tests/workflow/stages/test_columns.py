"""From event files to columns, and what is refused before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.config.search import SearchConfig, parse_config
from overdensity.workflow.stages.columns import check_events, make_columns
from overdensity.workflow.stages.inputs import processing_report
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
