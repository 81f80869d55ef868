"""A stream is learned once: growing folders, kills, second writers, partitions that end too early."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import FitError, InputError
from overdensity.core.files.locks import locked
from overdensity.ml import Sample
from overdensity.ml.streams.online_flow import OnlineFlow
from overdensity.ml.streams.online_hyper import OnlineHyper
from overdensity.ml.toy_events import TOY_FEATURES
from overdensity.ml.training.checkpoints import read_tensors, write_tensors
from overdensity.workflow.stream import stream_run
from overdensity.workflow.stream.partitions import ArrowStream, Counted, PartitionFolder
from overdensity.workflow.stream.stream_run import SUMMARY, draw_events, run_stream

from .conftest import SMALL, streamed, toy_table
from .test_partitions import arrow_bytes


def kept(out: Path) -> bytes:
    return (out / SUMMARY).read_bytes()


@pytest.fixture
def at_once(partitions: Path, tmp_path: Path) -> bytes:
    """What is kept of the three partitions, learned without a break."""
    streamed(partitions, tmp_path / "at once")
    return kept(tmp_path / "at once")


def test_a_stream_and_what_became_of_it(partitions: Path, tmp_path: Path) -> None:
    report = streamed(partitions, tmp_path / "out")
    assert (report.events, report.learned) == (390, 350)
    assert report.partitions == dict.fromkeys(
        ("part0.parquet", "part1.parquet", "part2.parquet"), 130
    )
    assert report.compression == report.stream_bytes / (tmp_path / "out" / SUMMARY).stat().st_size
    assert report.stream_bytes == 390 * 5 * 4
    assert report.events_per_second is not None


def test_partitions_that_come_later_are_counted_once(
    partitions: Path, tmp_path: Path, at_once: bytes
) -> None:
    shutil.move(partitions / "part2.parquet", tmp_path / "later")
    out = tmp_path / "out"
    assert streamed(partitions, out).events == 260
    shutil.move(tmp_path / "later", partitions / "part2.parquet")
    assert streamed(partitions, out).events == 390
    again = streamed(partitions, out)
    assert (again.events, again.events_per_second) == (390, None)
    assert kept(out) == at_once


def test_a_growing_folder_is_waited_for(partitions: Path, tmp_path: Path, at_once: bytes) -> None:
    shutil.move(partitions / "part2.parquet", tmp_path / "later")
    come = threading.Timer(0.3, shutil.move, [tmp_path / "later", partitions / "part2.parquet"])
    come.start()
    assert streamed(partitions, tmp_path / "out", wait=0.5).events == 390
    come.join()
    assert kept(tmp_path / "out") == at_once


@pytest.mark.parametrize("call", [1, 3])
def test_a_stream_that_was_interrupted_goes_on_to_the_same_bytes(
    call: int, partitions: Path, tmp_path: Path, at_once: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overdensity.workflow.stream.partitions._ROWS", 60)
    monkeypatch.setattr(stream_run, "_SAVED_EVERY", 0.0)
    learn, calls = OnlineFlow.learn, []

    def interrupted(self: OnlineFlow, sample: object) -> None:
        calls.append(sample)
        learn(self, sample)  # type: ignore[arg-type]
        if len(calls) == call:
            raise KeyboardInterrupt  # after the weights have changed, before it is written down

    monkeypatch.setattr(OnlineFlow, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        streamed(partitions, tmp_path / "out")
    assert streamed(partitions, tmp_path / "out").events == 390
    monkeypatch.undo()
    assert kept(tmp_path / "out") == at_once


def test_a_partition_that_ends_too_early_costs_nothing_else(
    partitions: Path, tmp_path: Path, at_once: bytes
) -> None:
    whole = (partitions / "part2.parquet").read_bytes()
    (partitions / "part2.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        InputError, match=r"part2.parquet: not a Parquet .*; 260 events are counted"
    ):
        streamed(partitions, tmp_path / "out")
    (partitions / "part2.parquet").write_bytes(whole)
    assert streamed(partitions, tmp_path / "out").events == 390
    assert kept(tmp_path / "out") == at_once


def test_standard_input_that_ends_too_early_goes_on_where_it_was(tmp_path: Path) -> None:
    def source(content: bytes) -> ArrowStream:
        return ArrowStream(io.BytesIO(content), TOY_FEATURES, "mjj")

    content = arrow_bytes(toy_table(1, 300))
    with pytest.raises(InputError, match=r"middle of a record batch .*; 250 events are counted"):
        streamed(source(content[:-900]), tmp_path / "out")
    assert (
        streamed(source(content), tmp_path / "out").events == 300
    )  # sent again from its beginning
    streamed(source(content), tmp_path / "at once")
    assert kept(tmp_path / "out") == kept(tmp_path / "at once")
    other = arrow_bytes(toy_table(2, 300))
    assert streamed(source(other), tmp_path / "out").events == 600


def test_a_stream_in_batches_of_another_size_is_the_same_stream(tmp_path: Path) -> None:
    for rows in (50, 70, 7, 300):
        content = io.BytesIO(arrow_bytes(toy_table(1, 300), rows))
        report = streamed(ArrowStream(content, TOY_FEATURES, "mjj"), tmp_path / "out")
        assert report.events == 300


def test_a_stream_that_has_not_begun_leaves_no_state(partitions: Path, tmp_path: Path) -> None:
    wrong = PartitionFolder(str(partitions), ("j1_mss", "j2_mass"), "mjj")
    with pytest.raises(InputError, match="no column 'j1_mss'"):
        run_stream(
            wrong, tmp_path / "out", features=wrong.features, mass="mjj", hyper=SMALL, seed=1,
            device="cpu",
        )  # fmt: skip
    assert streamed(partitions, tmp_path / "out").events == 390


def test_the_partition_of_a_bad_event_is_named(partitions: Path, tmp_path: Path) -> None:
    table = toy_table(9).to_pandas()
    table.loc[7, "mjj"] = -1.0
    pq.write_table(pa.Table.from_pandas(table), partitions / "part9.parquet")
    with pytest.raises(InputError, match=r"part9\.parquet: the mass of 1 of 130 events"):
        streamed(partitions, tmp_path / "out")


@pytest.mark.parametrize("how", ["copied", "replaced"])
def test_events_under_another_name_are_not_counted_twice(
    how: str, partitions: Path, tmp_path: Path
) -> None:
    streamed(partitions, tmp_path / "out")
    if how == "copied":
        shutil.copy(partitions / "part0.parquet", partitions / "part3.parquet")
        said = "part3.parquet: it begins with the same events as part0.parquet"
    else:
        state = tmp_path / "out" / "state.pt"
        content = read_tensors(state, what="a state", remedy="")
        content["counted"]["part1.parquet"]["whole"] = False
        write_tensors(state, content)
        pq.write_table(toy_table(9), partitions / "part1.parquet")
        said = "part1.parquet: it begins with other events than the 130"
    with pytest.raises(InputError, match=said):
        streamed(partitions, tmp_path / "out")


def test_a_partition_in_other_units_leaves_the_state_as_it_was(
    partitions: Path, tmp_path: Path, at_once: bytes
) -> None:
    other = toy_table(7).to_pandas()
    other["j1_mass"] *= 1000
    pq.write_table(pa.Table.from_pandas(other), partitions / "part1b.parquet")
    with pytest.raises(FitError, match=r"part1b.parquet: stream: all 50 events .* the units"):
        streamed(partitions, tmp_path / "out")
    (partitions / "part1b.parquet").unlink()
    assert streamed(partitions, tmp_path / "out").events == 390
    assert kept(tmp_path / "out") == at_once


def test_a_second_writer_is_refused(partitions: Path, tmp_path: Path) -> None:
    def second() -> None:
        with pytest.raises(InputError, match=r"out: process \d+ on .* is at work in it"):
            streamed(partitions, tmp_path / "out")

    with locked(tmp_path / "out" / ".lock", what="out"):
        other = threading.Thread(target=second)
        other.start()
        other.join()
    assert not (tmp_path / "out" / SUMMARY).exists()


def test_a_folder_of_another_stream_is_refused(partitions: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    state = tmp_path / "out" / "state.pt"
    write_tensors(state, {"key": "another", "flow": {}, "counted": {}})
    with pytest.raises(InputError, match=r"state.pt: of a stream with other features"):
        streamed(partitions, tmp_path / "out")
    key = OnlineFlow(TOY_FEATURES, mass="mjj", hyper=SMALL, seed=1).key
    write_tensors(state, {"key": key, "flow": {}, "counted": {}})
    with pytest.raises(InputError, match=r"state.pt: of another version of overdensity; begin"):
        streamed(partitions, tmp_path / "out")
    state.write_bytes(state.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"state.pt: not the state of a stream .*; copy it back"):
        streamed(partitions, tmp_path / "out")


def test_drawn_events_are_columns(partitions: Path, tmp_path: Path) -> None:
    streamed(partitions, tmp_path / "out")
    path = draw_events(tmp_path / "out", None, seed=1)
    drawn, first = pq.read_table(path), path.read_bytes()
    assert drawn.schema.names == ["event", "mjj", *TOY_FEATURES]
    assert len(drawn) == 390
    assert draw_events(tmp_path / "out", None, seed=1).read_bytes() == first
    assert len(pq.read_table(draw_events(tmp_path / "out", 20, seed=1))) == 20


_PROCESS = """
import sys
from pathlib import Path
from overdensity.workflow.stream import stream_run
sys.path.insert(0, sys.argv[3])
stream_run._SAVED_EVERY = 0.0
from overdensity.ml.streams.online_hyper import OnlineHyper
from overdensity.ml.toy_events import TOY_FEATURES
from overdensity.workflow.stream import partitions
partitions._ROWS = 20
source = partitions.PartitionFolder(sys.argv[1], TOY_FEATURES, "mjj")
hyper = OnlineHyper(layers=1, width=8, depth=1, batch=50, buffer=4, updates=1)
stream_run.run_stream(
    source, Path(sys.argv[2]), features=TOY_FEATURES, mass="mjj", hyper=hyper, seed=1, device="cpu"
)
"""


@pytest.mark.slow(seconds=10)
def test_a_stream_that_was_killed_goes_on_to_the_same_bytes(
    partitions: Path, tmp_path: Path, at_once: bytes
) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-c", _PROCESS, str(partitions), str(out), str(tmp_path)]
    process = subprocess.Popen(words)
    while _counted(out) < 240 and process.poll() is None:  # the buffer is full at 200
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run(words, check=True)
    assert kept(out) == at_once


def _counted(out: Path) -> int:
    try:
        content = read_tensors(out / "state.pt", "counted", what="a state", remedy="")
    except InputError:
        return 0
    return sum(each["rows"] for each in content["counted"].values())


@dataclass
class Million:
    """A partition of a million events, made as they are read; the memory after each fifth."""

    memory: list[float]
    name: str = "million"

    def partitions(self, counted: Mapping[str, Counted]) -> Iterator[Million]:
        if not counted:
            yield self

    def key(self, first: str) -> str:
        return self.name + first[:0]

    def samples(self) -> Iterator[Sample]:
        rng = np.random.default_rng(1)
        for start in range(0, 1_000_000, 20_000):
            x = rng.random((20_000, len(TOY_FEATURES)), np.float32)
            event = np.arange(start, start + 20_000, dtype=np.uint64)
            yield Sample.from_arrays(rng.uniform(2e3, 5e3, 20_000), x, TOY_FEATURES, event=event)
            if (start + 20_000) % 200_000 == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                self.memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


@pytest.mark.slow(seconds=8)
def test_memory_is_flat_over_a_million_events(tmp_path: Path) -> None:
    million = Million([])
    hyper = OnlineHyper(family="realnvp", layers=2, width=8, batch=5000, buffer=4, updates=1)
    report = stream_run.run_stream(
        million, tmp_path, features=TOY_FEATURES, mass="mjj", hyper=hyper, seed=1, device="cpu"
    )
    assert report.events == 1_000_000
    assert max(million.memory) - million.memory[0] < 10, million.memory  # the stream has 20 MB
