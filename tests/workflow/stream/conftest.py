"""Partitions of toy events, and a stream of them in one call."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.ml.streams.online_hyper import OnlineHyper
from overdensity.ml.toy_events import TOY_FEATURES, toy_events
from overdensity.workflow.stream.partitions import PartitionFolder, Source
from overdensity.workflow.stream.stream_report import StreamReport
from overdensity.workflow.stream.stream_run import run_stream

SMALL = OnlineHyper(layers=1, width=8, depth=1, batch=50, buffer=4, updates=1)


def toy_table(seed: int, n: int = 130) -> pa.Table:
    """Return toy events as columns."""
    events = toy_events(n, 0, seed=seed)
    return pa.table({"mjj": events.mass, **dict(zip(events.names, events.features.T, strict=True))})


def streamed(source: Source | Path, out: Path, *, wait: float = 0.0) -> StreamReport:
    """Learn a stream with a small flow."""
    if isinstance(source, Path):
        source = PartitionFolder(str(source), TOY_FEATURES, "mjj")
    return run_stream(
        source, out, features=TOY_FEATURES, mass="mjj", hyper=SMALL, seed=1, wait=wait, device="cpu"
    )


@pytest.fixture
def partitions(tmp_path: Path) -> Path:
    """A folder of three partitions of 130 events."""
    folder = tmp_path / "partitions"
    folder.mkdir()
    for seed in range(3):
        pq.write_table(toy_table(seed), folder / f"part{seed}.parquet")
    return folder
