"""What events hold below their columns: one object an event, read where it is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from .mapped import forget

__all__ = ["Block", "BlockKind", "Store"]

BlockKind = Literal["constituents", "images"]


class Store(ABC):
    """Objects as they are stored; events that are dropped or joined refer to it by row.

    Attributes
    ----------
    values : ndarray
        What is large in them, perhaps a memory map (:func:`~overdensity.ml.blocks.mapped.new_array`).
    """

    values: NDArray[Any]

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of objects."""


StoreT = TypeVar("StoreT", bound=Store)


@dataclass(frozen=True, eq=False)
class Block(ABC, Generic[StoreT]):
    """One object an event beside its feature columns, such as the constituents of a jet.

    A block is a list of rows of what is stored. Taking events and joining samples changes that
    list and copies no object, so that samples of memory-mapped blocks cost eight bytes an event.

    Attributes
    ----------
    stores : tuple
        Where the objects are.
    rows : ndarray of int64, shape (n_events,)
        The object of each event, counted through all stores.
    per_jet : bool
        Whether objects are handed out normalised (:meth:`normalised`).
    kind : str
        What the objects are.
    summary_names : tuple of str
        Of the columns of :meth:`summaries`.
    """

    kind: ClassVar[BlockKind]
    summary_names: ClassVar[tuple[str, ...]]
    stores: tuple[StoreT, ...]
    rows: NDArray[np.int64]
    per_jet: bool = False

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.rows)

    def take(self, which: NDArray[Any]) -> Self:
        """Return some of the events, by mask or by indices, in that order."""
        return replace(self, rows=self.rows[which])

    def beside(self, other: Self) -> Self:
        """Return the events of this block followed by those of another of the same kind."""
        self.refuse_unlike(other)
        stores = list(self.stores)
        places = []
        for store in other.stores:
            known = [i for i, mine in enumerate(stores) if mine is store]
            places.append(known[0] if known else len(stores))
            if not known:
                stores.append(store)
        shift = _starts(stores)[places] - _starts(other.stores)[:-1]
        rows = other.rows + shift[other._store_of(other.rows)]
        return replace(self, stores=tuple(stores), rows=np.concatenate([self.rows, rows]))

    def normalised(self) -> Self:
        """Return the block with each jet in units of its own: blind to its transverse momentum.

        Constituents or pixels in GeV of both jets of an event *are* the resonant mass.
        """
        return replace(self, per_jet=True)

    @abstractmethod
    def refuse_unlike(self, other: Block[Any]) -> None:
        """Raise an InputError if the other block cannot be joined to this one."""

    @abstractmethod
    def summaries(self) -> NDArray[np.float64]:
        """Return a few numbers of each event's object, shape (n_events, n_summaries).

        What a mass could be computed from, each as a logarithm, in which products are sums.
        """

    @abstractmethod
    def __getitem__(self, which: Any) -> Any:
        """Return the objects of some events as numbers."""

    def _pieces(self, which: Any) -> Iterator[tuple[StoreT, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield each store, the rows of it that hold the objects of events, and which these are.

        What was read of a memory map is forgotten after it.
        """
        rows = np.atleast_1d(self.rows[which])
        of, starts = self._store_of(rows), _starts(self.stores)
        for i, store in enumerate(self.stores):
            events = np.flatnonzero(of == i)
            if len(events):
                yield store, rows[events] - starts[i], events
                forget(store.values)

    def _store_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(_starts(self.stores), rows, side="right") - 1


def _starts(stores: Sequence[Any]) -> NDArray[np.int64]:
    """Return where the rows of each store begin, and where the last one ends."""
    return np.cumsum([0, *map(len, stores)], dtype=np.int64)
