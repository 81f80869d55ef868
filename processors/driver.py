"""Event files to Parquet columns, on any coffea executor."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import coffea.util
import fsspec
import hist
from coffea.processor import IterativeExecutor
from dask.utils import parse_bytes
from distributed import KilledWorker

from ..core import InputError, OverdensityError, Record
from .base import ColumnProcessor
from .columns.histograms import from_uhi, to_uhi
from .columns.monitor import Monitor, progress_bar, watched
from .columns.partitions import remove_others, settings_key
from .columns.writer import NOMINAL, ColumnWriter, Variations
from .final_states.dijet import DijetProcessor
from .sources.chunks import Chunk, FileSummary, absolute, file_stamp, split
from .sources.filesets import Dataset, FileSet, datasets
from .sources.remote import reason, write_bytes
from .sources.source import Executor, Source

__all__ = ["ColumnSet", "ProcessingReport", "process"]

logger = logging.getLogger(__name__)

_MEMORY_PER_BYTE = 4.0  # of events as read, while FastJet and the columns stand beside them
_MOST_EVENTS = 10_000  # in a chunk, so that the cores of a small machine share a small file
_FILES_PER_TASK = 20  # that one task opens to see what is in them


@dataclass(frozen=True)
class ColumnSet(Record):
    """Columns made with one systematic variation.

    Attributes
    ----------
    columns : str
        The folder of the partitions.
    rows : int
        Rows in them.
    cutflow : dict of str to int
        Events left after each step.
    cutflow_weighted : dict of str to float
        Sums of their weights; empty where events have none.
    hists : dict of str to dict
        Control histograms in uhi's JSON form.
    """

    columns: str
    rows: int
    cutflow: dict[str, int]
    cutflow_weighted: dict[str, float]
    hists: dict[str, Any]

    def histogram(self, name: str) -> hist.Hist:
        """Return a control histogram."""
        return from_uhi(self.hists[name])


@dataclass(frozen=True)
class ProcessingReport(ColumnSet):
    """What became of a set of event files; the column set is the nominal one.

    Attributes
    ----------
    partitions : tuple of str
        Their names, in order of file and entry; the same in all sets of columns.
    events_read, events_kept : int
        Events in the chunks that could be read, and those left after the last step.
    reused : int
        How many partitions were there already.
    bad_files : dict of str to str
        Files, or ranges of files, that were skipped, with the error.
    seconds : float
        Wall time.
    variations : dict of str to ColumnSet
        The other sets of columns.
    datasets : tuple of Dataset
        The files.
    """

    partitions: tuple[str, ...]
    events_read: int
    events_kept: int
    reused: int
    bad_files: dict[str, str]
    seconds: float
    variations: dict[str, ColumnSet] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()


def process(
    files: FileSet,
    out: str | os.PathLike[str],
    *,
    source: Source,
    processor: ColumnProcessor | None = None,
    variations: Variations | None = None,
    executor: Executor | None = None,
    chunk_events: int | None = None,
    chunk_memory: str | int = "256 MB",
    skip_bad_files: bool = False,
    monitor: Monitor | None = None,
) -> ProcessingReport:
    """Turn event files into Parquet partitions under ``out/columns/``.

    Each chunk is read, processed and written where the executor runs it; only the cutflow, the
    histograms and the names of the partitions come back. A partition that is there already, made
    of the same events with the same settings, is not made again: an interrupted run goes on where
    it stopped. Partitions of other settings or files are removed at the end, so that all of
    ``columns/*.parquet`` belongs together. The report is also written to ``out/processing.json``.

    Parameters
    ----------
    files : path, sequence of paths, or mapping
        Event files, patterns, folders, lists or datasets; see `filesets.datasets`.
    out : path
        Folder of the result; any fsspec URL that can be written.
    source : Source
        How to read them: `LhcoSource`, `RootSource`, `ParquetSource`.
    processor : ColumnProcessor, optional
        What to make of them; by default `DijetProcessor`.
    variations : Variations, optional
        Systematic variations, each of which gets its own columns in
        ``out/variations/<name>/columns/``.
    executor : callable, optional
        ``executor(items, function, accumulator)``: one of coffea's; the default is its iterative
        one. Processes rather than threads: FastJet holds the interpreter lock.
    chunk_events : int, optional
        Events in a partition; by default as many as `chunk_memory` allows, and at most 10 000.
    chunk_memory : str or int
        How much memory a worker may need for a chunk, beside some 400 MB for the libraries.
    skip_bad_files : bool
        List files that cannot be read in the report. Otherwise they are an error, which is raised
        after all good chunks are written.
    monitor : callable, optional
        Is given a `monitor.Status` about once a second; the default is a bar.

    Raises
    ------
    InputError
        If a file cannot be read (see `skip_bad_files`), if none can, if the same events are given
        twice, or if a partition cannot be written.
    ConfigError
        If a dataset is not described as it should be.
    OverdensityError
        If workers die again and again.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> from overdensity.processors import ParquetSource
    >>> jets = {"pt": [[600.0, 500.0], [40.0]], "eta": [[0.5, -0.5], [0.0]], "phi": [[0.0, 3.0], [1.0]]}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "box.parquet")
    ...     pq.write_table(pa.table({f"fat_jets_{key}": x for key, x in jets.items()}), path)
    ...     report = process(
    ...         path,
    ...         Path(folder, "run"),
    ...         source=ParquetSource(),
    ...         processor=DijetProcessor(collection="fat_jets", features=()),
    ...         monitor=lambda status: None,
    ...     )
    >>> report.cutflow
    {'events read': 2, 'finite fat jets': 2, 'two jets': 1}
    """
    start = time.monotonic()
    wanted = datasets(files)
    writer = ColumnWriter(processor or DijetProcessor(), absolute(out).rstrip("/"), variations)
    run_on = _prepared(executor)
    _make_folders(writer)

    found, bad = _inspect([x for dataset in wanted for x in dataset.files], source, writer, run_on)
    settings = settings_key(source=source.settings(), processor=writer.settings())
    chunks = _chunks(wanted, found, settings, chunk_events=chunk_events, memory=chunk_memory)
    sizes = {path: file.size for path, file in found.items()}
    shown: AbstractContextManager[Monitor] = (
        progress_bar(len(chunks)) if monitor is None else nullcontext(monitor)
    )
    with (
        shown as show,
        watched(writer.folder(NOMINAL), writer.failures, chunks, sizes, show),
        _explained(),
    ):
        result = source.execute(run_on, chunks, writer)

    names = result.get("sets", {}).get(NOMINAL, {}).get("rows", {})
    bad |= result.get("bad", {}) | _lost(chunks, names, result.get("bad", {}))
    if bad and not (skip_bad_files and names):
        raise InputError(_describe(bad, n_good=len(names)))
    if removed := _remove_others(writer, names):
        logger.info("removed %d partitions of other settings or files", removed)
    report = _report(writer, result, bad=bad, datasets=wanted, seconds=time.monotonic() - start)
    text = json.dumps(report.to_dict(), indent=2, allow_nan=False)
    write_bytes(f"{writer.out}/processing.json", text.encode())
    return report


class _Found(NamedTuple):
    """A file that can be read."""

    summary: FileSummary
    size: int  # bytes
    stamp: str


def _make_folders(writer: ColumnWriter) -> None:
    fs, root = fsspec.core.url_to_fs(writer.out)
    try:
        for folder in (*(writer.folder(name) for name in writer.names), writer.failures):
            fs.makedirs(fsspec.core.url_to_fs(folder)[1], exist_ok=True)
        for note in fs.glob(f"{root}/failures/*.json"):  # of an earlier attempt
            fs.rm_file(note)
    except OSError as error:
        msg = f"{writer.out}: the folder cannot be made ({reason(error)})"
        raise InputError(msg) from None


def _remove_others(writer: ColumnWriter, keep: Iterable[str]) -> int:
    """Remove what other settings or files have left, variations included; returns how many."""
    fs, root = fsspec.core.url_to_fs(writer.out)
    found = (path.rpartition("/")[2] for path in fs.glob(f"{root}/variations/*"))
    n_removed = sum(
        len(remove_others(writer.folder(name), ())) for name in found if name not in writer.names
    )
    return n_removed + sum(len(remove_others(writer.folder(name), keep)) for name in writer.names)


def _inspect(
    files: list[str], source: Source, writer: ColumnWriter, executor: Executor
) -> tuple[dict[str, _Found], dict[str, str]]:
    """Open all files, on the workers; return what they hold, and the errors of those that are bad.

    Which of two files with the same events is refused does not depend on the workers.
    """
    look = partial(_look, source=source, collections=writer.collections)
    batches = [files[i : i + _FILES_PER_TASK] for i in range(0, len(files), _FILES_PER_TASK)]
    with _explained():
        result = executor(batches, look, {})
    result = result[0] if isinstance(result, tuple) else result
    bad: dict[str, str] = {path: result["bad"][path] for path in files if path in result["bad"]}
    found = {path: _Found(*result["found"][path]) for path in files if path in result["found"]}
    if not found:
        raise InputError(_describe(bad, n_good=0))
    seen: dict[int, str] = {}
    for path, file in found.items():
        other = seen.setdefault(file.summary.identity, path)
        if other != path and file.summary.n_events:
            msg = f"{path} and {other} hold the same events; give one of them"
            raise InputError(msg)
    return found, bad


def _look(files: list[str], *, source: Source, collections: tuple[str, ...]) -> dict[str, Any]:
    """Open some files; runs on a worker."""
    found: dict[str, tuple[FileSummary, int, str]] = {}
    bad: dict[str, str] = {}
    for path in files:
        try:
            summary = source.inspect(path, collections)
            found[path] = (summary, *file_stamp(path))
        except InputError as error:
            bad[path] = str(error)
    return {"found": found, "bad": bad}


def _scales(wanted: Sequence[Dataset], found: Mapping[str, _Found]) -> dict[str, float | None]:
    """Return what the weights of the events of each dataset are multiplied by.

    Where any events have a weight, all get one, so that all partitions have the same columns.
    """
    scales: dict[str, float | None] = {}
    for dataset in wanted:
        there = [found[path].summary for path in dataset.files if path in found]
        sums = [x.n_events if x.sum_weights is None else x.sum_weights for x in there]
        ignorant = [x.path for x in there if not x.knows_generated]
        if ignorant and dataset.cross_section is not None and dataset.sum_weights is None:
            logger.warning(
                "dataset %r: %s (and %d other files) does not say how many events were generated; its cross section is "
                "shared among the events that are in the files, which is too much for each of a "
                "skim. If it is one, give sum_weights",
                dataset.name,
                ignorant[0],
                len(ignorant) - 1,
            )
        scales[dataset.name] = dataset.scale(math.fsum(sums)) if there else None
    weighted = any(file.summary.sum_weights is not None for file in found.values())
    if weighted or any(scale is not None for scale in scales.values()):
        return {name: 1.0 if scale is None else scale for name, scale in scales.items()}
    return scales


def _chunks(
    wanted: Sequence[Dataset],
    found: Mapping[str, _Found],
    settings: str,
    *,
    chunk_events: int | None,
    memory: str | int,
) -> dict[str, Chunk]:
    """Return what there is to do, by the names of the partitions, in order of file and entry."""
    scales = _scales(wanted, found)
    chunks: dict[str, Chunk] = {}
    for dataset in wanted:
        scale = scales[dataset.name]
        for file in (found[path] for path in dataset.files if path in found):
            key = settings_key(
                identity=file.summary.identity, stamp=file.stamp, scale=scale, settings=settings
            )
            n_events = chunk_events or _fitting(file.summary, memory)
            pieces = split(file.summary, n_events, dataset=dataset.name, scale=scale)
            chunks |= {f"{chunk.name}-{key}.parquet": chunk for chunk in pieces}
    return chunks


def _fitting(file: FileSummary, memory: str | int) -> int:
    """Return how many events a chunk has, so that all of a file fit into memory and are alike."""
    bytes_per_event = _MEMORY_PER_BYTE * max(file.event_bytes, 1.0)
    most = min(max(int(parse_bytes(memory) / bytes_per_event), 1), _MOST_EVENTS)
    n_chunks = max(math.ceil(file.n_events / most), 1)
    return max(math.ceil(file.n_events / n_chunks), 1)


def _prepared(executor: Executor | None) -> Executor:
    """Return the executor to use, without coffea's own bars, which would mix with ours."""
    chosen: Any = executor or IterativeExecutor()
    if hasattr(chosen, "copy"):
        chosen = chosen.copy(status=False)
    return chosen


@contextmanager
def _explained() -> Iterator[None]:
    """Keep coffea from drawing its bars, as its local executors always do; say why workers died."""
    console = coffea.util.coffea_console
    before, console.quiet = console.quiet, True
    try:
        yield
    except (KilledWorker, RuntimeError) as error:
        if "KilledWorker" not in (type(error).__name__, *str(error).split()):
            raise  # coffea's DaskExecutor makes the one from the other
        msg = (
            "processing: several workers died on the same chunk, perhaps for lack of memory; try "
            f"fewer workers or a smaller chunk_memory. What is done is kept ({reason(error)})"
        )
        raise OverdensityError(msg) from None
    finally:
        console.quiet = before


def _lost(
    chunks: Mapping[str, Chunk], made: Mapping[str, int], bad: Mapping[str, str]
) -> dict[str, str]:
    """Return chunks of which the executor brought back neither a partition nor an error."""
    places = {chunk.place: chunk.path for name, chunk in chunks.items() if name not in made}
    return {
        where: f"{path}: could not be opened by the worker that had to; see its log"
        for where, path in places.items()
        if where not in bad
    }


def _report(
    writer: ColumnWriter,
    result: Mapping[str, Any],
    *,
    bad: dict[str, str],
    datasets: tuple[Dataset, ...],
    seconds: float,
) -> ProcessingReport:
    sets = {name: _column_set(writer.folder(name), result["sets"][name]) for name in writer.names}
    nominal = sets.pop(NOMINAL)
    left = list(nominal.cutflow.values())
    return ProcessingReport(
        **{field.name: getattr(nominal, field.name) for field in dataclasses.fields(nominal)},
        partitions=tuple(sorted(result["sets"][NOMINAL]["rows"])),
        events_read=left[0],
        events_kept=left[-1],
        reused=result["reused"],
        bad_files=bad,
        seconds=seconds,
        variations=sets,
        datasets=datasets,
    )


def _column_set(folder: str, added: Mapping[str, Any]) -> ColumnSet:
    return ColumnSet(
        columns=folder,
        rows=sum(added["rows"].values()),
        cutflow=added["cutflow"],
        cutflow_weighted=added["weighted"],
        hists={name: to_uhi(histogram) for name, histogram in added["hists"].items()},
    )


def _describe(bad: dict[str, str], *, n_good: int) -> str:
    first = next(iter(bad.values()))
    if len(bad) == 1:
        what = "it"
    else:
        first = f"{len(bad)} files or ranges of files cannot be read, the first: {first}"
        what = "them"
    written = f"{n_good} good partition{'s' * (n_good != 1)} written"
    return f"{first}; {written}, skip_bad_files (--skip-bad-files) goes on without {what}"
