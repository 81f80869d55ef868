"""First stage of a search: event files → Parquet columns, where they are not columns already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from distributed import Client

from ...core import ConfigError, InputError, nearest_names
from ...processors import (
    ColumnProcessor,
    FileSet,
    JetVariations,
    LhcoSource,
    ParquetSource,
    ProcessingReport,
    RootSource,
    Source,
    datasets,
    layout_from,
    make_processor,
    process,
)
from ...processors.sources.chunks import absolute
from ...processors.sources.remote import read_bytes
from ..cluster.patience import PatientExecutor
from ..config.search import EventsConfig, SearchConfig
from .control_plots import write_control_plots
from .monitoring import live_monitor
from .provenance import input_files

__all__ = [
    "check_events",
    "column_files",
    "event_files",
    "event_format",
    "event_processor",
    "event_source",
    "event_variations",
    "make_columns",
    "processing_report",
]

_SUFFIXES = {".h5": "lhco", ".hdf5": "lhco", ".root": "root", ".parquet": "columns"}


def make_columns(config: SearchConfig, out: Path, client: Client) -> ProcessingReport | None:
    """Process the event files into columns; finished partitions are not made again.

    The control histograms and the cutflow are drawn in ``out/control/``.

    Parameters
    ----------
    config : SearchConfig
        The search.
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
    OverdensityError
        If no worker is left for longer than `connect` was told, or workers die again and again.
    """
    events = config.events
    source = event_source(events)
    if source is None:
        return None
    with live_monitor(client) as monitor:
        report = process(
            _file_set(events),
            _processed(config, out),
            source=source,
            processor=event_processor(config),
            variations=event_variations(config),
            executor=PatientExecutor(client=client, compression=None, retries=events.retries),
            chunk_events=events.chunk_events,
            chunk_memory=events.chunk_memory,
            skip_bad_files=events.skip_bad_files,
            monitor=monitor,
        )
    write_control_plots(report, out / "control")
    return report


def check_events(config: SearchConfig) -> None:
    """Refuse what is wrong with the files, their format or the processor, before a cluster starts.

    Files behind URLs are looked at by the workers.

    Raises
    ------
    InputError
        If a file of this machine is missing.
    ConfigError
        If a key cannot be used.
    """
    files = event_files(config.events)
    event_source(config.events)
    event_processor(config)
    event_variations(config)
    if not config.events.skip_bad_files:
        input_files([name for name in files if "://" not in name])


def event_files(events: EventsConfig) -> list[str]:
    """Return the event files, absolute, with patterns, folders and lists replaced by files."""
    return [path for dataset in datasets(_file_set(events)) for path in dataset.files]


def column_files(config: SearchConfig, out: Path) -> list[str]:
    """Return the Parquet files of a run: those made for it, or those it was given.

    Raises
    ------
    InputError
        If there are none yet.
    """
    if event_format(config.events) == "columns":
        return event_files(config.events)
    if (report := processing_report(config, out)) is None:
        folder = _processed(config, out)
        msg = f"{folder}: no columns there; run 'overdensity process' first, or 'overdensity run'"
        raise InputError(msg)
    return [f"{report.columns}/{name}" for name in report.partitions]


def processing_report(config: SearchConfig, out: Path) -> ProcessingReport | None:
    """Return what became of the event files of a run; None if they are not processed."""
    path = f"{_processed(config, out)}/processing.json"
    fs, name = fsspec.core.url_to_fs(path)
    if event_format(config.events) == "columns" or not fs.exists(name):
        return None
    return ProcessingReport.from_dict(json.loads(read_bytes(path)))


def event_source(events: EventsConfig) -> Source | None:
    """Return what reads the events, or None where they are columns.

    Raises
    ------
    ConfigError
        If a key does not go with the format.
    """
    kind, files = event_format(events), event_files(events)
    if events.key_file is not None and (kind != "lhco" or len(files) != 1):
        msg = "events.key_file goes with one file of format lhco"
        raise ConfigError(msg)
    if events.layout != "auto" and kind not in ("root", "parquet"):
        msg = f"events.layout goes with format root or parquet, not {kind}"
        raise ConfigError(msg)
    if kind == "columns":
        return None
    if kind == "lhco":
        return LhcoSource(keys={} if events.key_file is None else {files[0]: events.key_file})
    layout: Any = layout_from(events.layout) if isinstance(events.layout, dict) else events.layout
    return RootSource(layout) if kind == "root" else ParquetSource(layout)


def event_processor(config: SearchConfig) -> ColumnProcessor:
    """Return what makes columns of events.

    Raises
    ------
    ConfigError
        If it has no such name or options.
    """
    return make_processor(config.processor.name, **config.processor.options)


def event_variations(config: SearchConfig) -> JetVariations | None:
    """Return the systematic variations, if there are any.

    Raises
    ------
    ConfigError
        If they have no such options.
    """
    if config.systematics is None:
        return None
    known = [option.name for option in fields(JetVariations) if option.init]
    for key in config.systematics:
        if key not in known:
            msg = f"systematics: unknown key {key!r}: {nearest_names(key, known)}"
            raise ConfigError(msg)
    if "file" not in config.systematics:
        msg = "systematics: the key 'file' is missing, a correctionlib JSON"
        raise ConfigError(msg)
    return JetVariations(**config.systematics)


def event_format(events: EventsConfig) -> str:
    """Return the format of the files: the one given, or the one that their names tell.

    Raises
    ------
    InputError
        If they tell none, or more than one.
    """
    if events.format != "auto":
        return events.format
    files = event_files(events)
    found = {PurePosixPath(name).suffix.lower() for name in files}
    if len(found) != 1 or not found <= set(_SUFFIXES):
        msg = (
            f"cannot tell the format of {_some(files)} from the file names; "
            "give events.format (--format): lhco, root, parquet or columns"
        )
        raise InputError(msg)
    return _SUFFIXES[found.pop()]


def _processed(config: SearchConfig, out: Path) -> str:
    """Return the folder in which the columns and their report are."""
    return absolute(config.columns or out).rstrip("/")


def _some(files: Sequence[str], most: int = 5) -> str:
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return ", ".join(files[:most]) + more


def _file_set(events: EventsConfig) -> FileSet:
    """Return the files in the form of `processors`; one path stands for itself, as JSON may."""
    files = events.files
    return files[0] if not isinstance(files, dict) and len(files) == 1 else files
