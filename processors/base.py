"""What all processors share: batches, finite particles, cutflow and histograms."""

from __future__ import annotations

import dataclasses
import typing
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import hist
import numpy as np
from coffea.processor import ProcessorABC
from hist.storage import Weight
from numpy.typing import NDArray

from ..core import ConfigError, InputError
from ..core.identity import whole_numbers
from .jets.momentum import Jagged, cartesian
from .options import checked, plain
from .steps import Steps

__all__ = ["ColumnProcessor", "Columns", "Selected"]

Columns = dict[str, Any]  # names → numpy or awkward arrays of one length
Axis = hist.axis.Regular | hist.axis.Integer

_WITHOUT_INFLUENCE = ("batch_events",)  # on the columns of given events
_MOMENTUM = ("pt", "eta", "phi", "mass")
_MOST_ENERGY = 1e6  # GeV of one particle; the beams of the largest collider planned have 5e4
_MOST_PHI = 4 * np.pi


class Selected(NamedTuple):
    """What is left of a chunk.

    Attributes
    ----------
    columns : dict of str to array
        Of one length: one row an event, or one a jet (`JetProcessor`). Numpy arrays, or awkward
        ones where a row holds a list.
    cutflow : dict of str to int
        Events left after each step, in order.
    weighted : dict of str to float
        Sums of their weights; empty where events have no weight.

    Examples
    --------
    >>> Selected({"event": np.array([7])}, {"events read": 5, "two jets": 1}, {}).cutflow["two jets"]
    1
    """

    columns: Columns
    cutflow: dict[str, int]
    weighted: dict[str, float]


class _Batch(NamedTuple):
    columns: Columns
    after: dict[str, NDArray[np.bool_]]  # each of shape (n_events,)


@dataclass(frozen=True, kw_only=True)
class ColumnProcessor(ProcessorABC):
    """Turns events into columns; each kind of final state is a subclass.

    A subclass is a frozen dataclass of its settings with a table of `axes`, `collections` and
    `describe`, and ``@register_processor("its_name")`` above it. An option that has no plain type is
    ``Annotated`` with a function that reads it from its value and its name for messages. The
    processor then runs in `process` of this package, and in a user's own `coffea.processor.Runner` with a `view` (`Layout.view`) that
    gives the events the form that `describe` reads.

    Attributes
    ----------
    name : str
        What the configuration calls it.
    axes : mapping of str to hist axis
        The control histograms, by the column that they are of.
    view : callable or None
        Turns events of a coffea schema into normal events; None where they are so already.
    batch_events : int
        How many events are worked on at a time (FastJet holds some 60 kB each); no influence on
        the result.

    Examples
    --------
    A processor of one's own:

    >>> from overdensity.processors.jets.momentum import momenta
    >>> @dataclass(frozen=True)  # with @register_processor("hardest") above it
    ... class Hardest(ColumnProcessor):
    ...     collections = ("jets",)
    ...
    ...     def describe(self, events, steps):
    ...         steps.cut("a jet", ak.num(events.jets) > 0)
    ...         jets = events.jets[steps.kept][:, 0]
    ...         return {"pt": ak.to_numpy(np.hypot(jets.px, jets.py))}, np.flatnonzero(steps.kept)
    >>> jets = momenta(np.array([40.0, 30.0]), np.zeros(2), np.zeros(2), np.array([2, 0]))
    >>> events = ak.zip({"jets": jets, "event": [7, 8]}, depth_limit=1)
    >>> Hardest().select(events).columns
    {'event': array([7]), 'pt': array([40.], dtype=float32)}
    """

    view: Callable[[ak.Array], ak.Array] | None = None
    batch_events: int = 2000

    name: ClassVar[str] = ""
    axes: ClassVar[Mapping[str, Axis]] = {}

    def __post_init__(self) -> None:
        """Refuse values of a wrong type, and numbers that are negative or not finite."""
        hints = typing.get_type_hints(type(self), include_extras=True)
        for name in self.options():
            value, option, hint = getattr(self, name), f"{self.name}: {name}", hints[name]
            if typing.get_origin(hint) is typing.Annotated:  # with what reads it
                (read,) = hint.__metadata__
                value = read(value, option)
            else:
                value = checked(value, hint, option)
            object.__setattr__(self, name, value)
        if self.batch_events < 1:
            msg = f"{self.name}: batch_events is {self.batch_events}; it must be at least 1"
            raise ConfigError(msg)
        self.check_settings()

    def check_settings(self) -> None:
        """Refuse settings that cannot be together, once each has its type; for subclasses."""

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """Return the names of the settings that a configuration can give."""
        return tuple(field.name for field in dataclasses.fields(cls) if field.name != "view")

    @property
    @abstractmethod
    def collections(self) -> tuple[str, ...]:
        """The lists of particles or jets that the events must have."""

    @abstractmethod
    def describe(self, events: Jagged, steps: Steps) -> tuple[Columns, NDArray[np.integer[Any]]]:
        """Select events of a batch and describe them.

        Parameters
        ----------
        events : ak.Array, shape (n_events,)
            Normal events, all finite, whose `collections` are packed lists of Momentum4D with
            px, py, pz, E in GeV and whatever else their layout gives them.
        steps : Steps
            Takes the cuts.

        Returns
        -------
        columns : dict of str to array, each of shape (n_rows, ...)
            Without ``event``, ``weight`` and ``label``, which are added.
        rows : array of int, shape (n_rows,)
            The event of each row.
        """

    def settings(self) -> dict[str, Any]:
        """Return what the columns depend on beside the events, as plain JSON values."""
        names = (name for name in self.options() if name not in _WITHOUT_INFLUENCE)
        return {"processor": self.name, **{name: plain(getattr(self, name)) for name in names}}

    def process(self, events: ak.Array) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - coffea annotates nothing
        """Return the cutflow and the histograms of a chunk: what coffea's Runner adds up."""
        selected = self.select(events if self.view is None else self.view(events))
        return {
            "cutflow": selected.cutflow,
            "cutflow_weighted": selected.weighted,
            "hists": self.histograms(selected.columns),
        }

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what was added up, as it is."""
        return accumulator

    def select(self, events: ak.Array) -> Selected:
        """Return the columns and the cutflow of a chunk.

        Events with a particle or a weight that is not finite are dropped and counted, and those with
        a particle that cannot be: a negative pT, an energy above 10⁶ GeV, an azimuth beyond 4π. What
        is masked in a column is NaN, which no sample takes.

        Parameters
        ----------
        events : ak.Array, shape (n_events,)
            Normal events: the `collections` (Momentum4D: pt, eta, phi, mass), ``event`` and
            perhaps ``weight`` and ``label``.

        Raises
        ------
        InputError
            If the events have not what the processor reads.
        """
        if missing := {"event", *self.collections}.difference(ak.fields(events)):
            msg = (
                f"the {self.name} processor needs {', '.join(sorted(missing))} of the events, "
                f"which have {', '.join(ak.fields(events)) or 'nothing'}"
            )
            raise InputError(msg)
        n_events, step = len(events), self.batch_events
        batches = [self._batch(events[i : i + step]) for i in range(0, max(n_events, 1), step)]
        after = {
            name: np.concatenate([batch.after[name] for batch in batches])
            for name in batches[0].after
        }
        weighted: dict[str, float] = {}
        if (weight := _weight(events)) is not None:
            known = np.where(np.isfinite(weight), weight, 0.0)
            weighted = {name: float(np.sum(known[kept])) for name, kept in after.items()}
        return Selected(
            {
                name: _concatenated([batch.columns[name] for batch in batches])
                for name in batches[0].columns
            },
            {name: int(np.count_nonzero(kept)) for name, kept in after.items()},
            weighted,
        )

    def histograms(self, columns: Columns) -> dict[str, hist.Hist]:
        """Return the control histograms of some columns, weighted where events have a weight."""
        weight = columns.get("weight")
        filled: dict[str, hist.Hist] = {}
        for name, axis in self.axes.items():
            if name not in columns:
                continue
            filled[name] = (
                hist.Hist(axis).fill(columns[name])
                if weight is None
                else hist.Hist(axis, storage=Weight()).fill(columns[name], weight=weight)
            )
        return filled

    def _batch(self, events: Jagged) -> _Batch:
        after = {"events read": np.ones(len(events), dtype=np.bool_)}
        lists: dict[str, Jagged] = {name: cartesian(events[name]) for name in self.collections}

        # A NaN would make FastJet drop the jet silently; of 1e100 GeV, mjj would be 0.
        finite = after["events read"].copy()
        if (weight := _weight(events)) is not None:
            finite &= np.abs(weight) <= np.finfo(np.float32).max
        for name, particles in lists.items():
            possible = (particles.E <= _MOST_ENERGY) & (abs(events[name].phi) <= _MOST_PHI)
            possible = possible & np.isfinite(particles.px) & (events[name].pt >= 0)
            finite &= ak.to_numpy(ak.all(possible, axis=1))
        after[f"finite {self.collections[0].replace('_', ' ')}"] = finite

        numbers = {name: events[name] for name in events.fields if events[name].ndim == 1}
        extended = {name: _with_extras(lists[name], events[name]) for name in lists}
        normal = ak.zip({**numbers, **extended}, depth_limit=1)
        steps = Steps(int(np.count_nonzero(finite)))
        described, rows = self.describe(ak.to_packed(normal[finite]), steps)
        for name, kept in steps.after.items():
            after[name] = finite.copy()
            after[name][finite] = kept
        rows = np.flatnonzero(finite)[rows]
        ids = ak.to_numpy(events.event)
        if np.ma.is_masked(ids):
            msg = f"{np.ma.count_masked(ids)} of {len(ids)} events have no id (masked)"
            raise InputError(msg)
        ids = whole_numbers(np.asarray(ids), "event")
        if ids.dtype.kind == "f":  # in single precision, many would be one
            ids = ids.astype(np.uint64)
        columns = {"event": ids[rows], **described}
        if weight is not None:
            columns["weight"] = weight[rows]
        if "label" in events.fields:
            label = np.ma.filled(ak.to_numpy(events.label).astype(np.float64), np.nan)
            columns["label"] = whole_numbers(label, "label")[rows].astype(np.int8)
        return _Batch({name: _single(column) for name, column in columns.items()}, after)


def _weight(events: Jagged) -> NDArray[np.float64] | None:
    """Return the events' weights, if they have any."""
    if "weight" not in events.fields:
        return None
    weight = ak.to_numpy(events.weight).astype(np.float64)
    return np.ma.filled(weight, np.nan)


def _with_extras(momenta: Jagged, given: Jagged) -> Jagged:
    """Return momenta with what else is known of each of them, a charge for example."""
    for name in given.fields:
        if name not in _MOMENTUM:
            momenta = ak.with_field(momenta, given[name], name)
    return momenta


def _single(column: Any) -> Any:
    """Return a column in single precision, also where its rows are lists of records."""
    if isinstance(column, ak.Array) and column.ndim == 1 and not ak.fields(column):
        column = ak.to_numpy(column)
    if isinstance(column, np.ma.MaskedArray):
        masked = np.ma.is_masked(column)
        column = np.ma.filled(column.astype(np.float64), np.nan) if masked else column.data
    if isinstance(column, np.ndarray):
        return column.astype(np.float32) if column.dtype == np.float64 else column

    def narrow(layout: Any, **_: Any) -> Any:
        if layout.is_numpy and layout.dtype == np.float64:
            return ak.contents.NumpyArray(
                layout.data.astype(np.float32), parameters=layout.parameters
            )
        return None

    return ak.to_packed(ak.transform(narrow, column))


def _concatenated(pieces: list[Any]) -> Any:
    if len(pieces) == 1:
        return pieces[0]
    join = np.concatenate if isinstance(pieces[0], np.ndarray) else ak.concatenate
    return join(pieces)
