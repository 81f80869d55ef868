"""First stage of a search: event files → Parquet columns, where they are not columns already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from coffea.processor import DaskExecutor
from distributed import Client

from ..core import ConfigError, InputError
from ..processors import LhcoSource, ProcessingReport, RootSource, Source, process
from .config import EventsConfig

__all__ = ["column_files", "event_source", "guess_format", "make_columns"]

_SUFFIXES = {".h5": "lhco", ".hdf5": "lhco", ".root": "root", ".parquet": "columns"}


def make_columns(events: EventsConfig, out: Path, client: Client) -> ProcessingReport | None:
    """Process the event files into ``out/columns/``; finished partitions are not made again.

    Parameters
    ----------
    events : EventsConfig
        The input.
    out : Path
        The run's folder.
    client : distributed.Client
        Where the chunks run.

    Returns
    -------
    ProcessingReport or None
        None where the input is columns already.

    Raises
    ------
    InputError
        If a file cannot be read and bad files are not to be skipped.
    """
    source = event_source(events)
    if source is None:
        return None
    return process(
        events.files,
        out,
        source=source,
        executor=DaskExecutor(client=client, compression=None),
        chunk_events=events.chunk_events,
        skip_bad_files=events.skip_bad_files,
    )


def column_files(events: EventsConfig, out: Path) -> list[str]:
    """Return the Parquet files of a run: those made in its folder, or those it was given.

    Raises
    ------
    InputError
        If there are none yet.
    """
    if events.format == "columns":
        return [str(Path(name).absolute()) if "://" not in name else name for name in events.files]
    report = out / "processing.json"
    if not report.is_file():
        msg = f"{out}: no columns there; run 'overdensity process' first, or 'overdensity run'"
        raise InputError(msg)
    partitions = ProcessingReport.from_json(report).partitions
    return [str((out / "columns" / name).absolute()) for name in partitions]


def event_source(events: EventsConfig) -> Source | None:
    """Return what reads the events, or None where they are columns.

    Raises
    ------
    ConfigError
        If a key does not go with the format.
    """
    if events.key_file is not None and (events.format != "lhco" or len(events.files) != 1):
        msg = "events.key_file goes with one file of format lhco"
        raise ConfigError(msg)
    if events.particles != "auto" and events.format != "root":
        msg = f"events.particles goes with format root, not {events.format}"
        raise ConfigError(msg)
    match events.format:
        case "columns":
            return None
        case "lhco":
            return LhcoSource(
                keys={events.files[0]: events.key_file} if events.key_file is not None else {}
            )
        case "root":
            return RootSource(particles=events.particles)
        case _:
            assert_never(events.format)


def guess_format(files: Sequence[str]) -> str:
    """Return the format that the files' names tell.

    Raises
    ------
    InputError
        If they tell none, or more than one.
    """
    found = {Path(name).suffix.lower() for name in files}
    unknown = found - set(_SUFFIXES)
    if unknown or len(found) != 1:
        msg = (
            f"cannot tell the format of {', '.join(files)} from the file names; "
            "give --format lhco, root or columns"
        )
        raise InputError(msg)
    return _SUFFIXES[found.pop()]
