"""What a configuration says of the input: files, format, source, processor, and their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from ....core import ConfigError, InputError, nearest_names
from ....core.files.file_systems import absent, file_system
from ....core.files.listing import data_suffix
from ....ml.blocks.hdf5_tables import is_named_table
from ....processors import (
    ColumnProcessor,
    FileSet,
    JetVariations,
    ProcessingReport,
    Source,
    datasets,
    make_processor,
    make_source,
)
from ....processors.sources.chunks import absolute
from ....processors.sources.remote import read_bytes
from ....processors.sources.source import SOURCES, formats_of_suffixes
from ...config.event_input import EventsConfig
from ...config.search import SearchConfig

__all__ = [
    "column_files",
    "column_paths",
    "event_files",
    "event_format",
    "event_processor",
    "event_source",
    "event_variations",
    "file_set",
    "processed_folder",
    "processing_report",
    "varied_columns",
]


_SHOWN = 5  # files that a message names
_COLUMNS = "columns"  # what needs no processing: what Parquet files are unless another is said


def event_files(events: EventsConfig) -> list[str]:
    """Return the event files, absolute, with patterns, folders and lists replaced by files."""
    return [path for dataset in datasets(file_set(events)) for path in dataset.files]


def column_paths(names: Sequence[str]) -> list[str]:
    """Return files of columns, absolute, with patterns and folders replaced by files."""
    return event_files(EventsConfig(files=tuple(names), format=_COLUMNS))


def varied_columns(names: Sequence[str], variation: str) -> list[str]:
    """Return the columns of a variation beside nominal ones, where `process` leaves them.

    Raises
    ------
    InputError
        If a file has none beside it.
    """
    found = []
    for path in column_paths(names):
        folder, columns, name = path.rpartition("/columns/")
        varied = f"{folder}/variations/{variation}{columns}{name}"
        fs, place = file_system(varied)
        if not columns or not fs.exists(place):
            msg = (
                f"{path}: this signal has no columns {variation!r} beside it "
                f"(…/variations/{variation}/columns/…); process it with systematics, or leave "
                f"{variation.rpartition('_')[0]} out of uncertainties.variations"
            )
            raise InputError(msg)
        found.append(varied)
    return found


def event_format(events: EventsConfig) -> str:
    """Return the format of the files: the one given, or the one that their names tell.

    Raises
    ------
    InputError
        If they tell none, or more than one, or there is no such file.
    """
    if events.format != "auto":
        if events.format == _COLUMNS:
            _refuse_dataset(events)
        return events.format
    files = event_files(events)
    known = {**formats_of_suffixes(), ".parquet": (_COLUMNS,)}
    found = {known.get(data_suffix(name), ()) for name in files}
    if len(found) == 1 and is_named_table(files[0]):  # HDF5 of features, not of particles
        _refuse_dataset(events)
        return _COLUMNS
    if len(found) != 1 or len(formats := found.pop()) != 1:
        for path in files:
            fs, name = file_system(path)
            if not fs.exists(name):
                raise absent(path)
        msg = (
            f"cannot tell the format of {_some(files)} from the file names; "
            f"give events.format (--format): {', '.join(SOURCES)} or {_COLUMNS}"
        )
        raise InputError(msg)
    return formats[0]


def _refuse_dataset(events: EventsConfig) -> None:
    """Refuse a name that would not be looked at."""
    if events.dataset is not None:
        msg = (
            f"events.dataset: {events.dataset!r} names particles in a file; of columns each file is one "
            "table, so leave it out, and write a file with the table that is meant"
        )
        raise ConfigError(msg)


def event_source(events: EventsConfig) -> Source | None:
    """Return what reads the events, or None where they are columns.

    Raises
    ------
    ConfigError
        If a key does not go with the format.
    """
    kind = event_format(events)
    given = {name: getattr(events, name) for name in ("layout", "key_file", "dataset")}
    options = {key: value for key, value in given.items() if value not in ("auto", None)}
    if kind == _COLUMNS:
        if options:
            msg = f"events.{next(iter(options))} is of event files; these are columns already"
            raise ConfigError(msg)
        return None
    return make_source(kind, event_files(events), **options)


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


def column_files(config: SearchConfig, out: Path) -> list[str]:
    """Return the Parquet files of a run: those made for it, or those it was given.

    Raises
    ------
    InputError
        If there are none yet.
    """
    if event_format(config.events) == _COLUMNS:
        return event_files(config.events)
    if (report := processing_report(config, out)) is None:
        folder = processed_folder(config, out)
        msg = f"{folder}: no columns there; run 'overdensity process' first, or 'overdensity run'"
        raise InputError(msg)
    return [f"{report.columns}/{name}" for name in report.partitions]


def processing_report(config: SearchConfig, out: Path) -> ProcessingReport | None:
    """Return the processing report of a run; None if they are not processed."""
    path = f"{processed_folder(config, out)}/processing.json"
    fs, name = file_system(path)
    if event_format(config.events) == _COLUMNS or not fs.exists(name):
        return None
    return ProcessingReport.from_text(read_bytes(path), path)


def processed_folder(config: SearchConfig, out: Path) -> str:
    """Return the folder in which the columns and their report are."""
    return absolute(config.columns or out).rstrip("/")


def file_set(events: EventsConfig) -> FileSet:
    """Return the files in the form of `processors`; one path stands for itself, as JSON may."""
    files = events.files
    return files[0] if not isinstance(files, dict) and len(files) == 1 else files


def _some(files: Sequence[str]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(files[:_SHOWN]) + more
