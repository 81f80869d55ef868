"""A stream that is learned: each partition once, in a folder of one writer, resumed after a kill."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...core import FitError, InputError
from ...core.files.locks import locked
from ...core.files.outputs import own_folder
from ...core.progress_bar import live_table
from ...core.records import atomic_file
from ...ml import Sample
from ...ml.streams.online_flow import OnlineFlow
from ...ml.streams.online_hyper import OnlineHyper
from ...ml.streams.stream_summary import StreamSummary
from ...ml.training.checkpoints import read_tensors, write_tensors
from .partitions import Counted, Partition, Source, first_events
from .stream_report import LossPoint, StreamReport

__all__ = ["DRAWN", "REPORT", "STATE", "SUMMARY", "draw_events", "run_stream"]

logger = logging.getLogger(__name__)

SUMMARY, STATE, REPORT, DRAWN = "summary.npz", "state.pt", "stream.json", "drawn.parquet"
"""Files of the folder: what is kept, what a resumed stream needs, the report, and drawn events."""

Show = Callable[[Mapping[str, str]], None]

_SAVED_EVERY = 10.0  # seconds
_LOOK_EVERY = 1.0  # seconds between two looks into a folder that is waited for


def run_stream(
    source: Source,
    out: Path,
    *,
    features: tuple[str, ...],
    mass: str,
    hyper: OnlineHyper,
    seed: int,
    wait: float = 0.0,
    device: str = "auto",
) -> StreamReport:
    """Learn from all partitions of a source that were not counted before.

    Parameters
    ----------
    source : Source
        Where they come from.
    out : Path
        Folder of the result and the state; one process at a time works in it.
    features : tuple of str
        Feature columns.
    mass : str
        Name of the resonant mass.
    hyper : OnlineHyper
        Shape of the flow, and how it learns.
    seed : int
        All randomness comes from it.
    wait : float
        Seconds without a new partition after which the stream has ended.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    InputError
        If another process works in the folder, or a partition cannot be read to its end: then all
        events that could be read are counted and stored, and the same command goes on.
    FitError
        If the flow cannot learn from a partition; those before it are stored.
    """
    with own_folder(out):
        online = OnlineFlow(features, mass=mass, hyper=hyper, seed=seed, device=device)
        stream = _Stream(online, out)
        stream.resume()
        with live_table("stream") as show:
            stream.follow(source, wait, show)
        return stream.finish()


def draw_events(out: Path, n: int | None, *, seed: int) -> Path:
    """Draw events of a finished stream as columns, some at a time; returns their file.

    Parameters
    ----------
    out : Path
        Folder of the stream.
    n : int or None
        How many; by default as many as the stream had.
    seed : int
        Same seed, same bytes.

    Raises
    ------
    InputError
        If there is no summary of a stream.
    """
    summary = StreamSummary.load(out / SUMMARY)
    fields = [("event", pa.uint64()), (summary.mass, pa.float64())]
    schema = pa.schema([*fields, *((name, pa.float32()) for name in summary.names)])
    with (
        locked(out / ".lock", what=str(out)),
        atomic_file(out / DRAWN) as written,
        pq.ParquetWriter(written, schema, write_page_checksum=True) as file,
    ):
        for sample in summary.draws(n, seed=seed):
            columns = [sample.event, sample.mass, *sample.features.T]
            file.write_table(pa.table(columns, schema=schema))
    return out / DRAWN


@dataclass
class _Stream:
    """A flow, the partitions that were counted, and the folder of both."""

    online: OnlineFlow
    out: Path
    counted: dict[str, Counted] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)
    taken: int = 0
    busy: float = 0.0
    saved: float = field(default_factory=time.monotonic)

    def resume(self) -> None:
        """Go on from the state in the folder, if there is one."""
        path = self.out / STATE
        if not path.exists():
            return
        content = read_tensors(
            path,
            *("key", "flow", "counted"),
            what="the state of a stream",
            remedy="copy it back, or begin in another folder",
        )
        if content["key"] != self.online.key:
            msg = (
                f"{path}: of a stream with other features, hyperparameters or seed; give the same, or "
                "begin in another folder"
            )
            raise InputError(msg)
        try:
            self.online.restore(content["flow"])
            self.counted = {name: Counted(**each) for name, each in content["counted"].items()}
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError):
            msg = f"{path}: of another version of overdensity; begin in another folder"
            raise InputError(msg) from None
        logger.info("%s: %d events are counted already", self.out, self.online.events)

    def save(self) -> None:
        """Store the flow together with what was counted for it: both or neither."""
        if not self.counted:  # of a stream that has not begun, which may be meant otherwise
            return
        counted = {name: asdict(each) for name, each in self.counted.items()}
        content = {"key": self.online.key, "flow": self.online.state(), "counted": counted}
        write_tensors(self.out / STATE, content)
        self.saved = time.monotonic()

    def follow(self, source: Source, wait: float, show: Show) -> None:
        """Take partition after partition, until none has come for so many seconds."""
        last = time.monotonic()
        while True:
            before = self.taken
            for partition in source.partitions(self.counted):
                self.complaints.pop(partition.name, None)
                try:
                    self._take(partition, show)
                except InputError as error:
                    said = str(error)
                    named = said if partition.name in said else f"{partition.name}: {said}"
                    self.complaints[partition.name] = named
            if self.taken > before:
                self.save()
                last = time.monotonic()
            if time.monotonic() - last >= wait:
                return
            time.sleep(min(_LOOK_EVERY, wait))

    def finish(self) -> StreamReport:
        """Write what is kept of the stream and the report; then say what could not be read."""
        self.save()
        if self.complaints:
            self._say_complaints()
        return self._report(self.online.summary().save(self.out / SUMMARY))

    def _take(self, partition: Partition, show: Show) -> None:
        """Take the events of a partition that were not counted, and save now and then."""
        began = time.perf_counter()
        key, rows, first = partition.key(""), 0, ""
        for sample in partition.samples():
            if not rows:
                first = first_events(sample)
                key = partition.key(first)
                self._refuse_others(key, first)
            done = self.counted[key].rows if key in self.counted else 0
            new = sample.take(np.arange(min(max(done - rows, 0), len(sample)), len(sample)))
            rows += len(sample)
            if len(new):
                self._learn(new, key)
                self.taken += len(new)
                self.counted[key] = Counted(rows, whole=False, first=first)
            now = time.perf_counter()
            self.busy, began = self.busy + now - began, now
            show(self._shown())
            if time.monotonic() - self.saved > _SAVED_EVERY:
                self.save()
        self.counted[key] = replace(
            self.counted.get(key, Counted(0, whole=True, first="")), whole=True
        )

    def _learn(self, new: Sample, key: str) -> None:
        """Learn from events; where that fails, the state on disk is the last one that was whole."""
        try:
            self.online.learn(new)
        except FitError as error:
            msg = f"{key}: {error}"
            raise FitError(msg) from None

    def _refuse_others(self, key: str, first: str) -> None:
        """Refuse a partition that is another than was counted, or was counted under another name."""
        if key in self.counted and self.counted[key].first != first:
            msg = (
                f"{key}: it begins with other events than the {self.counted[key].rows} that were "
                "counted of it; give the new ones another name"
            )
            raise InputError(msg)
        same = [name for name, each in self.counted.items() if each.first == first and name != key]
        if same:
            msg = f"{key}: it begins with the same events as {same[0]}, which are counted; take it away"
            raise InputError(msg)

    def _shown(self) -> dict[str, str]:
        losses = self.online.losses()
        return {
            "events": f"{self.online.events:,}",
            "events/s": f"{self.taken / self.busy:,.0f}" if self.busy else "",
            "partitions": str(len(self.counted)),
            "loss": f"{losses[-1][1]:.3f}" if losses else "the first buffer fills",
        }

    def _say_complaints(self) -> NoReturn:
        """Store what could be read, and say what could not."""
        if self.online.losses():
            self._report(self.online.summary().save(self.out / SUMMARY))
        first = next(iter(self.complaints.values()))
        more = f" (and {len(self.complaints) - 1} more)" if len(self.complaints) > 1 else ""
        msg = (
            f"{first}{more}; {self.online.events} events are counted and stored, and the same command "
            "goes on from there"
        )
        raise InputError(msg)

    def _report(self, summary: Path) -> StreamReport:
        online, kept = self.online, summary.stat().st_size
        size = 4 * online.events * (1 + len(online.names))
        report = StreamReport(
            events=online.events,
            learned=online.batches * online.hyper.batch,
            beyond=online.beyond,
            partitions={name: each.rows for name, each in self.counted.items()},
            losses=tuple(LossPoint(events, loss) for events, loss in online.losses()),
            stream_bytes=size,
            summary_bytes=kept,
            compression=size / kept,
            events_per_second=self.taken / self.busy if self.taken else None,
        )
        report.to_json(self.out / REPORT)
        return report
