"""Where the jets of an event come from: clustered here, or stored in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, nearest_names
from ..features.n_subjettiness import ratio
from ..features.table import check_features, check_once, jet_features
from ..jets.clustering import cluster
from ..jets.momentum import Jagged
from ..taggers.tag_option import JetScorer

__all__ = [
    "CLUSTERED",
    "STORED",
    "ClusteredJets",
    "FoundJets",
    "JetSource",
    "StoredJets",
    "TaggedJets",
    "at_rank",
    "jet_source",
]

Wanted: TypeAlias = str | JetScorer  # a feature by its name, or what computes one

CLUSTERED = ("particles", "raw_particles")
STORED = ("fat_jets", "jets", "gen_fat_jets", "gen_jets")

_RATIOS = {"tau21": ("tau2", "tau1"), "tau32": ("tau3", "tau2"), "tau43": ("tau4", "tau3")}
_COUNTS = ("n", "n_tracks")


class FoundJets(NamedTuple):
    """The jets of many events, in order of falling pT.

    Attributes
    ----------
    jets : ak.Array, shape (n_events, var)
        Momentum4D with px, py, pz, E, in GeV.
    inside : ak.Array, shape (n_events, var) of jets
        What the features of the leading jets are made of: their constituents, or what is stored.
    """

    jets: Jagged
    inside: Jagged


class JetSource(Protocol):
    """Finds the jets of events and computes their features, whatever they are made of."""

    @property
    def collection(self) -> str:
        """What is read of the events."""
        ...

    def find(self, events: Jagged, *, min_pt: float, n_inside: int | None) -> FoundJets:
        """Return the jets above some pT in GeV, and the inside of the first ones (None: all).

        ``events`` are those of `ColumnProcessor.describe`.
        """
        ...

    def features(self, names: Sequence[Any], inside: Jagged) -> dict[str, Any]:
        """Return features by name, in this order, each of shape (n_jets, ...).

        ``inside`` is that of some jets in one list, shape (n_jets,).
        """
        ...


@dataclass(frozen=True)
class ClusteredJets:
    """Clusters particles with the anti-kT algorithm.

    Attributes
    ----------
    collection : str
        One of `CLUSTERED`.
    radius : float
        R of the algorithm, and R0 of N-subjettiness.
    """

    collection: str
    radius: float

    def find(self, events: Jagged, *, min_pt: float, n_inside: int | None) -> FoundJets:
        """Return the jets above some pT in GeV, and the constituents of the first ones."""
        particles = events[self.collection]
        return FoundJets(
            *cluster(particles, radius=self.radius, min_pt=min_pt, n_constituents=n_inside)
        )

    def features(self, names: Sequence[str], inside: Jagged) -> dict[str, Any]:
        """Return features of constituents, see `features.table`."""
        return jet_features(names, inside, radius=self.radius)


@dataclass(frozen=True)
class StoredJets:
    """Takes the jets and their features as they are stored.

    Attributes
    ----------
    collection : str
        One of `STORED`.
    """

    collection: str

    def find(self, events: Jagged, *, min_pt: float, n_inside: int | None) -> FoundJets:
        """Return the jets above some pT in GeV, and what is stored of the first ones."""
        jets = events[self.collection]
        pt2 = jets.px**2 + jets.py**2
        hard = pt2 > min_pt**2
        jets, pt2 = jets[hard], pt2[hard]
        jets = jets[ak.argsort(pt2, axis=1, ascending=False, stable=True)]
        return FoundJets(jets, jets[:, :n_inside])

    def features(self, names: Sequence[str], inside: Jagged) -> dict[str, Any]:
        """Return stored features, and the ratios of stored N-subjettiness.

        Raises
        ------
        InputError
            If a feature is not stored.
        """
        return {name: self._feature(name, inside) for name in names}

    def _feature(self, name: str, inside: Jagged) -> NDArray[Any] | ak.Array:
        stored = [field for field in inside.fields if field not in ("px", "py", "pz", "E")]
        if name in stored:
            column = inside[name]
            if column.ndim > 1:
                return column
            return ak.to_numpy(column).astype(np.int16 if name in _COUNTS else np.float32)
        parts = _RATIOS.get(name, ())
        if parts and set(parts).issubset(stored):
            above, below = (ak.to_numpy(inside[part]).astype(np.float64) for part in parts)
            return ratio(above, below)
        made = (known for known, parts in _RATIOS.items() if set(parts).issubset(stored))
        offered = sorted({*stored, *made})
        msg = (
            f"the {self.collection} of these events have no {name!r} stored, but "
            f"{', '.join(offered) or 'no feature at all'}; choose of these, or cluster the "
            "particles (collection: particles)"
        )
        raise InputError(msg)


@dataclass(frozen=True)
class TaggedJets:
    """Jets of another source, of which taggers compute some of the features.

    Attributes
    ----------
    source : JetSource
        The other source; it computes what the taggers read.
    """

    source: JetSource

    @property
    def collection(self) -> str:
        """What is read of the events."""
        return self.source.collection

    def find(self, events: Jagged, *, min_pt: float, n_inside: int | None) -> FoundJets:
        """Return the jets of the other source."""
        return self.source.find(events, min_pt=min_pt, n_inside=n_inside)

    def features(self, names: Sequence[Wanted], inside: Jagged) -> dict[str, Any]:
        """Return features by name, and the scores of taggers by theirs."""
        known = self.source.features(_plain(names), inside)
        return {
            _name(each): known[each] if isinstance(each, str) else each.score(known)
            for each in names
        }


def _name(feature: Wanted) -> str:
    return feature if isinstance(feature, str) else feature.name


def _plain(features: Sequence[Wanted]) -> list[str]:
    """Return the names of the features, those that taggers read among them, each once."""
    read = [[each] if isinstance(each, str) else each.declaration.needs for each in features]
    return list(dict.fromkeys(name for names in read for name in names))


def jet_source(collection: str, *, radius: float, features: Sequence[Wanted]) -> JetSource:
    """Return where jets come from, having looked at what is asked of them.

    Parameters
    ----------
    collection : str
        One of `CLUSTERED` or `STORED`.
    radius : float
        R of the anti-kT algorithm, for those that are clustered.
    features : sequence of str or JetScorer
        The names of the features that will be wanted, and taggers.

    Raises
    ------
    ConfigError
        If the collection or, for clustered jets, a feature is not known, if a feature is there
        twice, or if the radius is zero.

    Examples
    --------
    >>> jet_source("fat_jets", radius=0.8, features=["tau21"])
    StoredJets(collection='fat_jets')
    >>> jet_source("particles", radius=0.8, features=["tau21"])
    ClusteredJets(collection='particles', radius=0.8)
    """
    check_once([_name(each) for each in features], "jet feature")
    has_taggers = not all(isinstance(each, str) for each in features)
    if collection in STORED:
        stored = StoredJets(collection)
        return TaggedJets(stored) if has_taggers else stored
    if collection not in CLUSTERED:
        msg = f"no jets from {collection!r}: {nearest_names(collection, [*CLUSTERED, *STORED])}"
        raise ConfigError(msg)
    if not radius > 0:
        msg = f"the jet radius is {radius}; it must be positive"
        raise ConfigError(msg)
    check_features(_plain(features))
    clustered = ClusteredJets(collection, radius)
    return TaggedJets(clustered) if has_taggers else clustered


def at_rank(
    column: NDArray[Any] | ak.Array, counts: NDArray[np.integer[Any]], rank: int
) -> NDArray[Any] | ak.Array:
    """Return what belongs to one jet of each event, zero or an empty list where there is none.

    Parameters
    ----------
    column : array, shape (n_jets, ...)
        Jet after jet, event after event.
    counts : array of int, shape (n_events,)
        How many jets each event has.
    rank : int
        Which of them, from zero.

    Returns
    -------
    array, shape (n_events, ...)

    Examples
    --------
    >>> pt = np.array([60.0, 40.0, 70.0])  # of two jets in one event, and one in the next
    >>> at_rank(pt, np.array([2, 1]), rank=1).tolist()
    [40.0, 0.0]
    """
    there = counts > rank
    chosen = (np.cumsum(counts) - counts)[there] + rank
    if isinstance(column, np.ndarray):
        values = np.zeros((len(counts), *column.shape[1:]), dtype=column.dtype)
        values[there] = column[chosen]
        return values
    lengths = np.zeros(len(counts), dtype=np.int64)
    lengths[there] = ak.to_numpy(ak.num(column[chosen], axis=1))
    return ak.unflatten(ak.flatten(column[chosen], axis=1), lengths)
