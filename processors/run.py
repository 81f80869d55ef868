"""Event files to Parquet columns, on any coffea executor."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import coffea.util
import fsspec
import hist
from coffea.processor import IterativeExecutor
from distributed import KilledWorker

from ..core import InputError, OverdensityError, Record, progress
from .chunks import Chunk, FileSummary, Source, absolute, file_stamp, split
from .dijet import DijetProcessor
from .partitions import (
    PartitionSummary,
    from_uhi,
    partition_names,
    read_summary,
    remove_others,
    settings_key,
    to_uhi,
    write_partition,
)

__all__ = ["ProcessingReport", "process"]

logger = logging.getLogger(__name__)

Item = tuple[str, Chunk]  # the name of a partition and what it is made of
Work = Callable[[Item], dict[str, Any]]
Executor = Callable[[Sequence[Item], Work, dict[str, Any]], Any]

_LISTED_PER_SECOND = 5000  # names of partitions listed a second while looking which are there


@dataclass(frozen=True)
class ProcessingReport(Record):
    """What became of a set of event files.

    Attributes
    ----------
    columns : str
        The folder of the partitions.
    partitions : tuple of str
        Their names, in order of file and entry.
    events_read, events_kept : int
        Events in the chunks that could be read, and rows written.
    cutflow : dict of str to int
        Events left after each step.
    hists : dict of str to dict
        Control histograms in uhi's JSON form; `histogram` gives one back.
    reused : int
        How many partitions were there already.
    bad_files : dict of str to str
        Files, or ranges of files, that were skipped, with the error.
    seconds : float
        Wall time.
    """

    columns: str
    partitions: tuple[str, ...]
    events_read: int
    events_kept: int
    cutflow: dict[str, int]
    hists: dict[str, Any]
    reused: int
    bad_files: dict[str, str]
    seconds: float

    def histogram(self, name: str) -> hist.Hist:
        """Return a control histogram."""
        return from_uhi(self.hists[name])


def process(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    source: Source,
    processor: DijetProcessor | None = None,
    executor: Executor | None = None,
    chunk_events: int = 10_000,
    skip_bad_files: bool = False,
) -> ProcessingReport:
    """Turn event files into Parquet partitions under ``out/columns/``.

    Each chunk is read, processed and written where the executor runs it; only the cutflow, the
    histograms and the names of the partitions come back. A partition that is there already, made
    of the same events with the same settings, is not made again: an interrupted run goes on where
    it stopped. Partitions of other settings or files are removed at the end, so that all of
    ``columns/*.parquet`` belongs together. The report is also written to ``out/processing.json``.

    Parameters
    ----------
    files : sequence of paths
        Event files; any fsspec URL.
    out : path
        Folder of the result.
    source : Source
        How to read them: `LhcoSource`, `RootSource`.
    processor : DijetProcessor, optional
        What to make of them.
    executor : callable, optional
        ``executor(items, function, accumulator)``: one of coffea's; the default is its iterative
        one. Processes rather than threads: FastJet holds the interpreter lock.
    chunk_events : int
        Events in a partition. Memory grows with it (some 10 kB an event), not with the files.
    skip_bad_files : bool
        List files that cannot be read in the report. Otherwise they are an error, which is raised
        after all good chunks are written.

    Raises
    ------
    InputError
        If a file cannot be read (see `skip_bad_files`), if none can, if the same events are given
        twice, or if a partition cannot be written.
    """
    start = time.monotonic()
    processor = processor or DijetProcessor()
    out = absolute(out).rstrip("/")
    columns = f"{out}/columns"
    fs, root = fsspec.core.url_to_fs(out)
    fs.makedirs(f"{root}/columns", exist_ok=True)

    found, bad = _inspect([absolute(file) for file in files], source)
    names: dict[str, Chunk] = {}
    for file in found:
        key = settings_key(
            identity=file.identity,
            stamp=file_stamp(file.path),
            source=source.settings(),
            processor=processor.settings(),
        )
        names |= {f"{chunk.name}-{key}.parquet": chunk for chunk in split(file, chunk_events)}
    work = partial(_process_chunk, source=source, processor=processor, columns=columns)
    result = _execute(executor, list(names.items()), work, columns)
    bad |= result.get("bad", {})

    if bad and not (skip_bad_files and result.get("partitions")):
        raise InputError(_describe(bad, n_good=len(result.get("partitions", {}))))
    if removed := remove_others(columns, result["partitions"]):
        logger.info("removed %d partitions of other settings or files", len(removed))
    cutflow = result["cutflow"]
    report = ProcessingReport(
        columns=columns,
        partitions=tuple(sorted(result["partitions"])),
        events_read=next(iter(cutflow.values())),
        events_kept=sum(result["partitions"].values()),
        cutflow=cutflow,
        hists={name: to_uhi(histogram) for name, histogram in result["hists"].items()},
        reused=result["reused"],
        bad_files=bad,
        seconds=time.monotonic() - start,
    )
    text = json.dumps(report.to_dict(), indent=2, allow_nan=False)
    fs.pipe_file(f"{root}/processing.json", text.encode())
    return report


def _inspect(files: list[str], source: Source) -> tuple[list[FileSummary], dict[str, str]]:
    """Open all files; return what was found in them, and the errors of those that are bad."""
    found: dict[int, FileSummary] = {}
    bad: dict[str, str] = {}
    for path in files:
        try:
            file = source.inspect(path)
        except InputError as error:
            bad[path] = str(error)
            continue
        if file.n_events and file.identity in found:
            msg = f"{path} and {found[file.identity].path} hold the same events; give one of them"
            raise InputError(msg)
        found[file.identity] = file
    if not found:
        msg = _describe(bad, n_good=0) if bad else "no event files were given"
        raise InputError(msg)
    return list(found.values()), bad


def _process_chunk(
    item: Item, *, source: Source, processor: DijetProcessor, columns: str
) -> dict[str, Any]:
    """Make one partition, or take the finished one; runs on a worker."""
    name, chunk = item
    path = f"{columns}/{name}"
    reused = (summary := read_summary(path)) is not None
    if summary is None:
        try:
            events = source.read(chunk)
        except InputError as error:
            # Not raised: the executor would give up, and the good chunks beside it be lost.
            return {"bad": {f"{chunk.path} [{chunk.start}:{chunk.stop}]": str(error)}}
        selected = processor.select(events)
        hists = processor.histograms(selected.columns)
        summary = PartitionSummary(
            cutflow=selected.cutflow,
            hists={key: to_uhi(histogram) for key, histogram in hists.items()},
        )
        write_partition(path, selected.columns, summary)
    return {
        "cutflow": summary.cutflow,
        "hists": {key: from_uhi(histogram) for key, histogram in summary.hists.items()},
        "partitions": {name: list(summary.cutflow.values())[-1]},
        "reused": int(reused),
        "bad": {},
    }


def _execute(
    executor: Executor | None, items: list[Item], work: Work, columns: str
) -> dict[str, Any]:
    """Run the work on all items; what is shown is how many of the partitions are there."""
    chosen: Any = executor or IterativeExecutor()
    if hasattr(chosen, "copy"):  # a coffea executor, whose own bars would mix with ours
        chosen = chosen.copy(status=False)
    try:
        with _silent_coffea(), _shown(columns, {name for name, _ in items}):
            result = chosen(items, work, {})
    except KilledWorker as error:
        msg = (
            f"processing: {error.task} was on {error.last_worker.address} and other workers when "
            "they died, perhaps for lack of memory; try fewer workers or a smaller chunk_events. "
            "What is done is kept"
        )
        raise OverdensityError(msg) from None
    return result[0] if isinstance(result, tuple) else result


@contextmanager
def _silent_coffea() -> Iterator[None]:
    """Keep coffea from drawing its bars, which its local executors do whatever their status."""
    console = coffea.util.coffea_console
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


@contextmanager
def _shown(columns: str, names: set[str]) -> Iterator[None]:
    """Show progress by looking which partitions there are: the same on every executor."""
    finished = threading.Event()
    pause = 1.0 + len(names) / _LISTED_PER_SECOND
    with progress("processing", len(names), unit="chunks") as advance:

        def look() -> None:
            done, last = 0, False
            while not last:
                last = finished.wait(pause)
                there = len(names & partition_names(columns))
                advance(there - done)
                done = there

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            finished.set()
            watcher.join()


def _describe(bad: dict[str, str], *, n_good: int) -> str:
    first = next(iter(bad.values()))
    if len(bad) == 1:
        return f"{first}; {n_good} good partitions are written, skip_bad_files goes on without it"
    return (
        f"{len(bad)} files or ranges of files cannot be read, the first: {first}; "
        f"{n_good} good partitions are written, skip_bad_files goes on without the others"
    )
