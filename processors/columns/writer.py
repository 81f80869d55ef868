"""What a worker does with a chunk: columns in a partition, or the reason why there are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import awkward as ak
import numpy as np

from ...core import ConfigError, InputError, MissingExtraError
from ...core.files.file_errors import reason
from ..base import ColumnProcessor, Columns
from ..jets.momentum import Jagged
from ..sources.chunks import Chunk
from ..sources.remote import readable, write_bytes
from .histograms import from_uhi, to_uhi
from .partitions import PartitionSummary, read_summary, write_partition

__all__ = ["NOMINAL", "ColumnWriter", "Variations"]

NOMINAL = "nominal"


class Variations(Protocol):
    """Systematic variations of events, see `calibration.variations`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variations, without the nominal events."""
        ...

    @property
    def collections(self) -> tuple[str, ...]:
        """What they need of the events."""
        ...

    @property
    def varied(self) -> tuple[str, ...]:
        """The collections that differ from one variation to the other."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what they depend on, as plain JSON values."""
        ...

    def __call__(self, events: ak.Array) -> Iterator[tuple[str, ak.Array]]:
        """Return the events, as nominal ones and varied, with their names."""
        ...


@dataclass(frozen=True)
class ColumnWriter:
    """Writes the columns of chunks, on the worker that has their events.

    Attributes
    ----------
    processor : ColumnProcessor
        What makes columns of events.
    out : str
        The run's folder: partitions go to ``columns/``, those of a variation to
        ``variations/<name>/columns/``, and the errors of chunks that cannot be read to
        ``failures/``. The folders exist.
    variations : Variations or None
        Further sets of columns, made of the same events in the same pass.
    """

    processor: ColumnProcessor
    out: str
    variations: Variations | None = None

    def __post_init__(self) -> None:
        """Refuse variations of what the processor does not read."""
        if self.variations is None:
            return
        read, varied = self.processor.collections, self.variations.varied
        if not set(read) & set(varied):
            msg = (
                f"the {self.processor.name} processor reads {', '.join(read)}, the systematic "
                f"variations change {', '.join(varied)}: all columns would be the same"
            )
            raise ConfigError(msg)

    @property
    def collections(self) -> tuple[str, ...]:
        """What has to be read of the events."""
        extra = () if self.variations is None else self.variations.collections
        return tuple(dict.fromkeys((*self.processor.collections, *extra)))

    @property
    def names(self) -> tuple[str, ...]:
        """The sets of columns, the nominal one first."""
        return (NOMINAL, *(() if self.variations is None else self.variations.names))

    def folder(self, name: str) -> str:
        """Return where the partitions of a set of columns are."""
        return f"{self.out}/columns" if name == NOMINAL else f"{self.out}/variations/{name}/columns"

    @property
    def failures(self) -> str:
        """Where it is noted which chunks could not be read."""
        return f"{self.out}/failures"

    def settings(self) -> dict[str, Any]:
        """Return what the columns depend on beside the events, as plain JSON values."""
        if self.variations is None:
            return self.processor.settings()
        return {**self.processor.settings(), "variations": self.variations.settings()}

    def write(self, name: str, chunk: Chunk, events: Callable[[], ak.Array]) -> dict[str, Any]:
        """Write the partitions of a chunk, unless they are there.

        Parameters
        ----------
        name : str
            Of the partitions.
        chunk : Chunk
            What the events are.
        events : callable
            Reads them.

        Returns
        -------
        dict
            ``sets``: for each set of columns ``cutflow``, ``weighted``, ``hists`` and ``rows`` (by
            the name of the partition); ``reused``: 1 if it was there; ``bad``: the error of a chunk
            that cannot be read. Results of several chunks add up, as coffea's executors do.

        Raises
        ------
        InputError
            If a partition cannot be written.
        """
        if (there := self.finished(name, chunk)) is not None:
            return there
        try:
            with readable(chunk.path, "event"):
                read = events()
        except InputError as error:
            # Not raised: the executor would give up, and the good chunks beside it be lost.
            return self._failure(name, chunk, error)
        summaries: dict[str, PartitionSummary] = {}
        try:
            for key, columns, summary in self._selections(chunk, _weighted(read, chunk)):
                write_partition(f"{self.folder(key)}/{name}", columns, summary)
                summaries[key] = summary
        except _NotSelectedError as error:
            return self._failure(name, chunk, error)
        return _result(name, summaries, reused=0)

    def finished(self, name: str, chunk: Chunk) -> dict[str, Any] | None:  # noqa: ARG002 - see Writer
        """Return what `write` returns of a chunk that is there already; None if it is not."""
        summaries: dict[str, PartitionSummary] = {}
        for key in self.names:
            if (summary := read_summary(f"{self.folder(key)}/{name}")) is None:
                return None
            summaries[key] = summary
        return _result(name, summaries, reused=1)

    def _selections(
        self, chunk: Chunk, events: ak.Array
    ) -> Iterator[tuple[str, Columns, PartitionSummary]]:
        """Yield the columns of each variation; what goes wrong is the fault of these events."""
        empty = _n_empty(events)
        try:
            varied = [(NOMINAL, events)] if self.variations is None else self.variations(events)
            for key, these in varied:
                selected = self.processor.select(these)
                hists = self.processor.histograms(selected.columns)
                yield (
                    key,
                    selected.columns,
                    PartitionSummary(
                        rows=len(selected.columns["event"]),
                        cutflow=selected.cutflow,
                        weighted=selected.weighted,
                        hists={title: to_uhi(histogram) for title, histogram in hists.items()},
                        empty=empty,
                    ),
                )
        except (ConfigError, MissingExtraError, MemoryError, *_NO_FAULT_OF_EVENTS):
            raise
        except Exception as error:
            msg = f"{chunk.path}: events {chunk.start} to {chunk.stop} cannot be selected ({reason(error)})"
            raise _NotSelectedError(msg) from error

    def _failure(self, name: str, chunk: Chunk, error: InputError) -> dict[str, Any]:
        note = json.dumps({"chunk": chunk.to_dict(), "error": str(error)}, indent=2)
        write_bytes(f"{self.failures}/{name}.json", note.encode())
        return {"sets": {}, "reused": 0, "bad": {chunk.place: str(error)}}


# What a disk, an installation or a misspelt name in the code raises.
_NO_FAULT_OF_EVENTS = (OSError, ImportError, AttributeError, NameError)


class _NotSelectedError(InputError):
    """Events that the processor cannot select from: they alone are lost."""


def _weighted(events: ak.Array, chunk: Chunk) -> ak.Array:
    """Return events with the weights that the cross section of their dataset gives them."""
    if chunk.scale is None:
        return events
    weight: Jagged = events.weight if "weight" in events.fields else np.ones(len(events))
    return ak.with_field(events, weight * chunk.scale, "weight")


def _n_empty(events: ak.Array) -> int:
    """Return how many events have no particle: in files of particles, no collision is so empty."""
    if "particles" not in events.fields:
        return 0
    return int(np.count_nonzero(ak.to_numpy(ak.num(events.particles, axis=1)) == 0))


def _result(name: str, summaries: dict[str, PartitionSummary], *, reused: int) -> dict[str, Any]:
    counted = {key: _counted(name, summary) for key, summary in summaries.items()}
    return {"sets": counted, "reused": reused, "bad": {}}


def _counted(name: str, summary: PartitionSummary) -> dict[str, Any]:
    return {
        "cutflow": summary.cutflow,
        "weighted": summary.weighted,
        "hists": {key: from_uhi(histogram) for key, histogram in summary.hists.items()},
        "rows": {name: summary.rows},
        "empty": summary.empty,
    }
