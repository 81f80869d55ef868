"""Event files to Parquet columns, on any coffea executor."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import coffea.util
from coffea.processor import IterativeExecutor
from distributed import KilledWorker

from ..core import InputError, OverdensityError
from ..core.files.file_errors import reason
from ..core.files.file_systems import file_system
from ..core.files.listing import file_names, folder_names
from ..core.files.locks import locked
from .base import ColumnProcessor
from .columns.monitor import Monitor, progress_bar, watched
from .columns.partitions import partition_names, remove_others, settings_key
from .columns.report import ProcessingReport, report_of
from .columns.writer import NOMINAL, ColumnWriter, Variations
from .final_states.dijet import DijetProcessor
from .planning import complaint, find_files, plan_chunks
from .sources.chunks import Chunk, absolute
from .sources.filesets import Dataset, FileSet, datasets
from .sources.remote import write_bytes
from .sources.source import Executor, Source

__all__ = ["process"]

logger = logging.getLogger(__name__)


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
        How much memory a worker may need for a chunk, beside its libraries (docs/facilities.md).
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
    wanted = datasets(files)
    writer = ColumnWriter(processor or DijetProcessor(), absolute(out).rstrip("/"), variations)
    run_on = _prepared(executor)
    with _alone(writer.out):
        return _process(
            wanted,
            writer,
            source,
            run_on,
            chunk_events=chunk_events,
            chunk_memory=chunk_memory,
            skip_bad_files=skip_bad_files,
            monitor=monitor,
        )


def _process(
    wanted: tuple[Dataset, ...],
    writer: ColumnWriter,
    source: Source,
    run_on: Executor,
    *,
    chunk_events: int | None,
    chunk_memory: str | int,
    skip_bad_files: bool,
    monitor: Monitor | None,
) -> ProcessingReport:
    start = time.monotonic()
    _make_folders(writer)

    with _explained():
        paths = [path for dataset in wanted for path in dataset.files]
        found, bad = find_files(paths, source, writer.collections, run_on)
    settings = settings_key(source=source.settings(), processor=writer.settings())
    chunks = plan_chunks(wanted, found, settings, chunk_events=chunk_events, memory=chunk_memory)
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
        raise InputError(complaint(bad, n_good=len(names)))
    if removed := _remove_others(writer, names):
        logger.info("removed %d partitions of other settings or files", removed)
    _refuse_missing(writer, names)
    report = report_of(
        writer,
        result,
        bad=bad,
        datasets=wanted,
        flags=_short_of_weights(wanted, chunks, names),
        seconds=time.monotonic() - start,
    )
    for flag in report.flags:
        logger.warning("%s", flag)
    write_bytes(f"{writer.out}/processing.json", report.to_text().encode())
    return report


def _short_of_weights(
    wanted: Sequence[Dataset], chunks: Mapping[str, Chunk], made: Collection[str]
) -> tuple[str, ...]:
    """Say which simulated datasets have lost events whose weights their cross section is shared by."""
    flags: list[str] = []
    for dataset in wanted:
        if dataset.cross_section is None:
            continue
        sizes = {x: c.stop - c.start for x, c in chunks.items() if c.dataset == dataset.name}
        lost, whole = sum(n for x, n in sizes.items() if x not in made), sum(sizes.values())
        if lost:
            flags.append(
                f"dataset {dataset.name!r}: {lost} of {whole} simulated events could not be read, but "
                "their generator weights count in the sum that its cross section is divided by: its "
                f"yields are too small by some {100 * lost / whole:.2g} %; mend or leave out the files"
            )
    return tuple(flags)


@contextmanager
def _alone(out: str) -> Iterator[None]:
    """Keep other processes of this file system out of a folder; other servers have no locks."""
    if "://" in out:
        yield
        return
    with locked(f"{out}/.lock", what=out):
        yield


def _refuse_missing(writer: ColumnWriter, names: Iterable[str]) -> None:
    """Say so if partitions are gone that were there: what the report lists exists."""
    wanted = set(names)
    for each in writer.names:
        if gone := sorted(wanted - partition_names(writer.folder(each))):
            msg = (
                f"{writer.folder(each)}: {len(gone)} partitions were removed while others were made, "
                f"the first {gone[0]}; another process works in this folder: choose another one for it"
            )
            raise InputError(msg)


def _make_folders(writer: ColumnWriter) -> None:
    fs, root = file_system(writer.out)
    try:
        for folder in (*(writer.folder(name) for name in writer.names), writer.failures):
            fs.makedirs(file_system(folder)[1], exist_ok=True)
        for note in file_names(fs, f"{root}/failures", ".json"):  # of an earlier attempt
            fs.rm_file(f"{root}/failures/{note}")
    except OSError as error:
        msg = f"{writer.out}: the folder cannot be made ({reason(error)})"
        raise InputError(msg) from None


def _remove_others(writer: ColumnWriter, keep: Iterable[str]) -> int:
    """Remove what other settings or files have left, variations included; returns how many."""
    fs, root = file_system(writer.out)
    found = folder_names(fs, f"{root}/variations")
    n_removed = sum(
        len(remove_others(writer.folder(name), ())) for name in found if name not in writer.names
    )
    return n_removed + sum(len(remove_others(writer.folder(name), keep)) for name in writer.names)


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
