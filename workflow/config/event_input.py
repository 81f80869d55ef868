"""The events of a search: where they come from, and in what pieces they are read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from dask.utils import parse_bytes
from pydantic import Field, field_validator

from .registries import FormatName
from .sections import Files, PathText, Section

__all__ = ["EventsConfig"]


class EventsConfig(Section):
    """Where the events come from.

    Attributes
    ----------
    files : tuple of str, or dict
        Paths, patterns, folders, lists or datasets, relative to the current folder or behind any
        fsspec URL; see `overdensity.processors.sources.filesets`.
    format : str
        ``lhco``, ``root`` or ``parquet`` (with the particles of events), or another that an
        installed package reads; or ``columns``: Parquet, or HDF5 tables with named columns, of features
        made elsewhere. By default (``auto``) told from the names of the files, Parquet and such
        tables being columns.
    layout : str or dict
        For ``root`` and ``parquet``: the kind of file, or a description of one; ``auto`` finds it
        from what the file holds.
    key_file : str, optional
        For ``lhco``: the separate file with the truth, for evaluation alone.
    dataset : str, optional
        For ``lhco``: where in the file the particles are, if not in ``df/block0_values``.
    chunk_events : int, optional
        Events handled by one task; by default as many as `chunk_memory` allows.
    chunk_memory : str
        Memory that a worker may need for its chunk.
    skip_bad_files : bool
        Go on without files that cannot be read, and list them in the result.
    retries : int
        How often a task is tried again whose worker or server failed.
    weights : str
        Each event counts as one. ``refused``: events with different weights are an error; ``dropped``:
        their weights count for nothing, to search simulation as if it were data, as a test.

    Examples
    --------
    >>> EventsConfig(files="box.h5").files
    ('box.h5',)
    """

    files: Files | dict[str, Any]
    format: FormatName = "auto"
    layout: str | dict[str, Any] = "auto"
    key_file: PathText | None = None
    dataset: str | None = None
    chunk_events: Annotated[int, Field(ge=1)] | None = None
    chunk_memory: str = "256 MB"
    skip_bad_files: bool = False
    retries: Annotated[int, Field(ge=0)] = 3
    weights: Literal["refused", "dropped"] = "refused"

    @field_validator("chunk_memory", mode="before")
    @classmethod
    def _memory_is_a_size(cls, value: Any) -> str:
        try:
            enough = parse_bytes(value) > 0
        except (ValueError, TypeError, AttributeError):
            enough = False
        if not enough:
            msg = "memory is a size such as '256 MB'"
            raise ValueError(msg)
        return str(value)
