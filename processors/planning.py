"""The plan of a processing: files that can be read, cut into chunks whose events have weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from dask.utils import parse_bytes

from ..core import InputError
from ..core.files.listing import refuse_declared
from .columns.partitions import settings_key
from .sources.chunks import Chunk, FileSummary, file_stamp, split
from .sources.filesets import Dataset
from .sources.remote import readable
from .sources.source import Executor, Source

__all__ = ["FoundFile", "complaint", "find_files", "plan_chunks"]

logger = logging.getLogger(__name__)

_MEMORY_PER_BYTE = 4.0  # of events as read, while FastJet and the columns stand beside them
_MOST_EVENTS = 10_000  # in a chunk, so that the cores of a small machine share a small file
_FILES_PER_TASK = 20  # that one task opens to see what is in them


class FoundFile(NamedTuple):
    """A file that can be read.

    Attributes
    ----------
    summary : FileSummary
        What is in it.
    size : int
        Bytes.
    stamp : str
        Changes when the file does, see `chunks.file_stamp`.
    """

    summary: FileSummary
    size: int
    stamp: str


def find_files(
    files: Sequence[str], source: Source, collections: tuple[str, ...], executor: Executor
) -> tuple[dict[str, FoundFile], dict[str, str]]:
    """Open all files, on the workers; return what they hold, and the errors of those that are bad.

    Which of two files with the same events is refused does not depend on the workers.

    Parameters
    ----------
    files : sequence of str
        Paths or URLs, absolute.
    source : Source
        How to read them.
    collections : tuple of str
        What they must have.
    executor : callable
        One of coffea's.

    Raises
    ------
    InputError
        If none can be read, or two hold the same events.
    """
    look = partial(_look, source=source, collections=collections)
    batches = [files[i : i + _FILES_PER_TASK] for i in range(0, len(files), _FILES_PER_TASK)]
    result = executor(batches, look, {})
    result = result[0] if isinstance(result, tuple) else result
    bad: dict[str, str] = {path: result["bad"][path] for path in files if path in result["bad"]}
    found = {path: FoundFile(*result["found"][path]) for path in files if path in result["found"]}
    if not found:
        raise InputError(complaint(bad, n_good=0))
    seen: dict[int, str] = {}
    for path, file in found.items():
        other = seen.setdefault(file.summary.identity, path)
        if other != path and file.summary.n_events:
            msg = f"{path} and {other} hold the same events; give one of them"
            raise InputError(msg)
    return found, bad


def plan_chunks(
    wanted: Sequence[Dataset],
    found: Mapping[str, FoundFile],
    settings: str,
    *,
    chunk_events: int | None,
    memory: str | int,
) -> dict[str, Chunk]:
    """Return what there is to do, by the names of the partitions, in order of file and entry.

    Parameters
    ----------
    wanted : sequence of Dataset
        The files as they were asked for.
    found : mapping of str to FoundFile
        Those that can be read, by their paths.
    settings : str
        The key of the settings (`partitions.settings_key`).
    chunk_events : int or None
        Events in a chunk; None: as many as the memory allows, and at most 10 000.
    memory : str or int
        What a worker may need for a chunk, ``"256 MB"``.
    """
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


def complaint(bad: dict[str, str], *, n_good: int) -> str:
    """Return what to say of files that cannot be read.

    Examples
    --------
    >>> complaint({"/a.root": "/a.root: no such file"}, n_good=2)
    '/a.root: no such file; 2 good partitions written, skip_bad_files (--skip-bad-files) goes on without it'
    """
    first = next(iter(bad.values()))
    if len(bad) == 1:
        what = "it"
    else:
        first = f"{len(bad)} files or ranges of files cannot be read, the first: {first}"
        what = "them"
    written = f"{n_good} good partition{'s' * (n_good != 1)} written"
    return f"{first}; {written}, skip_bad_files (--skip-bad-files) goes on without {what}"


def _look(files: Sequence[str], *, source: Source, collections: tuple[str, ...]) -> dict[str, Any]:
    """Open some files; runs on a worker."""
    found: dict[str, tuple[FileSummary, int, str]] = {}
    bad: dict[str, str] = {}
    for path in files:
        try:
            with readable(path, "event"):  # whatever goes wrong with one file costs that file alone
                summary = source.inspect(path, collections)
                size, stamp = file_stamp(path)
                refuse_declared(summary.n_events, size, path)
                found[path] = (summary, size, stamp)
        except InputError as error:
            said = str(error)
            bad[path] = said if path in said else f"{path}: {said}"
    return {"found": found, "bad": bad}


def _scales(wanted: Sequence[Dataset], found: Mapping[str, FoundFile]) -> dict[str, float | None]:
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


def _fitting(file: FileSummary, memory: str | int) -> int:
    """Return how many events a chunk has, so that all of a file fit into memory and are alike."""
    bytes_per_event = _MEMORY_PER_BYTE * max(file.event_bytes, 1.0)
    most = min(max(int(parse_bytes(memory) / bytes_per_event), 1), _MOST_EVENTS)
    n_chunks = max(math.ceil(file.n_events / most), 1)
    return max(math.ceil(file.n_events / n_chunks), 1)
