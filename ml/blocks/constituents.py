"""Constituents of jets: lists of any length, and the padded arrays that networks read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from .block import Block, BlockKind, Store
from .mapped import forget, in_file_order, new_array

__all__ = [
    "Constituents",
    "ConstituentsReader",
    "Padded",
    "Particles",
    "mask_of",
]

_FIELDS = ("pt", "eta", "phi")
_ROWS = 2**20  # particles that are looked at at a time: intermediates are ten times as large


@dataclass(frozen=True, eq=False)
class Particles(Store):
    """The constituents of jets, jet after jet.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_jets + 1,)
        Where the constituents of each jet begin.
    values : ndarray of float32, shape (n_particles, 3)
        pT in GeV, pseudorapidity, azimuth: relative to the jet, or of the detector.
    """

    offsets: NDArray[np.int64]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.offsets) - 1


@dataclass(frozen=True, eq=False)
class Constituents(Block[Particles]):
    """The constituents of one jet of each event; see :class:`Block`.

    Examples
    --------
    >>> jets = Constituents.from_lists([[(30.0, 0.1, 0.0), (10.0, -0.3, 0.0)], []])
    >>> jets.counts
    array([2, 0])
    >>> jets.padded(3)[[0]][0]
    array([[30. ,  0.1,  0. ],
           [10. , -0.3,  0. ],
           [ 0. ,  0. ,  0. ]], dtype=float32)
    >>> jets.normalised().padded(3)[[0]][0, :, 0]
    array([0.75, 0.25, 0.  ], dtype=float32)
    """

    kind: ClassVar[BlockKind] = "constituents"
    summary_names: ClassVar[tuple[str, ...]] = (
        "ln number",
        "ln pT",
        "ln hardest",
        "ln sum of pT²",
        "ln radius",
        "ln mass²",
    )

    @classmethod
    def from_arrays(cls, offsets: ArrayLike, values: ArrayLike) -> Self:
        """Return the block of flat arrays, as :class:`Particles` has them.

        Raises
        ------
        InputError
            If the shapes do not match, or a value is not finite.
        """
        particles = Particles(np.asarray(offsets, np.int64), np.asarray(values, np.float32))
        edges, shape = particles.offsets, particles.values.shape
        if (
            shape[1:] != (3,)
            or edges[0] != 0
            or edges[-1] != shape[0]
            or np.any(np.diff(edges) < 0)
        ):
            msg = (
                "constituents need offsets that rise from 0 to their number, and values of shape "
                f"(n_particles, 3); found {edges[0]} to {edges[-1]}, and {shape}"
            )
            raise InputError(msg)
        _refuse_impossible(particles.values)
        return cls((particles,), np.arange(len(particles)))

    @classmethod
    def from_lists(cls, jets: Sequence[Sequence[tuple[float, float, float]]]) -> Self:
        """Return the block of jets given as lists of (pt, eta, phi)."""
        offsets = np.cumsum([0, *map(len, jets)])
        flat = [particle for jet in jets for particle in jet]
        return cls.from_arrays(offsets, np.reshape(flat, (-1, 3)))

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of constituents of each jet, shape (n_events,)."""
        counts = np.zeros(len(self), np.int64)
        for store, rows, events in self._pieces(slice(None)):
            counts[events] = store.offsets[rows + 1] - store.offsets[rows]
        return counts

    def __getitem__(self, which: Any) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return offsets and values of the jets of some events, as :class:`Particles` has them."""
        counts = self.take(which).counts
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        values = np.empty((offsets[-1], 3), np.float32)
        for store, rows, events in self._pieces(which):
            starts = store.offsets[rows]
            for piece in in_file_order(store.values, starts):
                start, of = starts[piece], events[piece]
                for part in _parts(counts[of]):
                    source = _spans(start[part], counts[of[part]])
                    values[_spans(offsets[of[part]], counts[of[part]])] = store.values[source]
        if self.per_jet:
            for part in _parts(counts):
                edges = offsets[part.start : part.stop + 1]
                mine = values[edges[0] : edges[-1]]
                mine[:] = _normalised(edges - edges[0], mine)
        return offsets, values

    def padded(self, longest: int) -> Padded:
        """Return the first constituents of each jet as an array that is filled as it is read."""
        return Padded(self, longest)

    def refuse_unlike(self, other: Block[Any]) -> None:
        """Raise an InputError for images, or if one is normalised and the other is not."""
        if not isinstance(other, Constituents) or self.per_jet != other.per_jet:
            msg = (
                f"constituents cannot be joined with {other.kind} that are normalised otherwise, or "
                "are none; normalise both"
            )
            raise InputError(msg)

    def summaries(self) -> NDArray[np.float64]:
        """Return logarithms of the multiplicity, pT, the hardest's share, moments and mass."""
        offsets, values = self[:]
        pt, eta, phi = values.astype(np.float64).T
        jet = np.repeat(np.arange(len(self)), np.diff(offsets))

        def total(of: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(jet, weights=of, minlength=len(self)).astype(np.float64)

        hardest = np.zeros(len(self))
        np.maximum.at(hardest, jet, pt)
        px, py, pz = total(pt * np.cos(phi)), total(pt * np.sin(phi)), total(pt * np.sinh(eta))
        mass2 = total(pt * np.cosh(eta)) ** 2 - px**2 - py**2 - pz**2
        radius = np.hypot(eta, phi)
        sums = (np.diff(offsets), total(pt), hardest, total(pt**2), total(pt * radius))
        return np.log(np.stack([*sums, mass2.clip(min=0)], axis=1) + 1e-6)


@dataclass(frozen=True, eq=False)
class Padded:
    """Constituents as an array of shape (n_events, longest, 3), made row by row when it is read.

    It is a column for :func:`~overdensity.ml.training.engine.train`. Zeros stand where a jet has fewer;
    :func:`mask_of` tells them from constituents.

    Attributes
    ----------
    block : Constituents
        The constituents.
    longest : int
        How many of each jet are kept: the first, which are the hardest where they come in order of
        falling pT.
    """

    block: Constituents
    longest: int
    dtype: ClassVar[np.dtype[np.float32]] = np.dtype(np.float32)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.block)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the whole array."""
        return len(self), self.longest, len(_FIELDS)

    def __getitem__(self, which: Any) -> NDArray[np.float32]:
        """Return some events, shape (n, longest, 3)."""
        offsets, values = self.block[which]
        counts = np.minimum(np.diff(offsets), self.longest)
        padded = np.zeros((len(counts), self.longest, len(_FIELDS)), np.float32)
        for part in _parts(counts):
            place = np.arange(self.longest) < counts[part, None]
            padded[part][place] = values[_spans(offsets[part], counts[part])]
        return padded


def mask_of(padded: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return where padded constituents are real, shape (n_events, longest): their pT is not 0."""
    return padded[..., 0] > 0


def _parts(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Yield the jets in parts that hold about as many constituents as are looked at at a time."""
    step = max(1, _ROWS // max(1, int(counts.max(initial=0))))
    for start in range(0, len(counts), step):
        yield slice(start, min(start + step, len(counts)))


def _spans(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers from each start, as many as it counts, one span after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - counts), counts)


def _normalised(offsets: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return fractions of pT, and positions from the jet's mean weighted by pT.

    The azimuth of the mean is that of the sum of the momenta, wherever the jet lies.
    """
    counts = np.diff(offsets)
    jet = np.repeat(np.arange(len(counts)), counts)
    pt, eta, phi = values.astype(np.float64).T

    def total(of: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(jet, weights=of, minlength=len(counts)).astype(np.float64)

    sums = total(pt)[jet]
    share = np.divide(pt, sums, out=np.zeros_like(pt), where=sums > 0)
    axis_phi = np.arctan2(total(pt * np.sin(phi)), total(pt * np.cos(phi)))
    deta, dphi = eta - total(share * eta)[jet], _wrapped(phi - axis_phi[jet])
    return np.stack([share, deta, dphi], axis=1).astype(np.float32)


def _wrapped(phi: NDArray[Any]) -> NDArray[Any]:
    """Return angles in [-π, π)."""
    return (phi + np.pi) % (2 * np.pi) - np.pi


def _refuse_impossible(values: NDArray[np.float32]) -> None:
    """Raise an InputError for constituents that are not finite or have a negative pT."""
    bad = 0
    for start in range(0, len(values), _ROWS):
        some = values[start : start + _ROWS]
        good = np.isfinite(some).all(axis=1) & (some[:, 0] >= 0)
        bad += len(some) - int(np.count_nonzero(good))
        forget(values)
    if bad:
        msg = (
            f"{bad} of {len(values)} constituents are NaN or infinite, or have a negative pT; "
            "remove these events or repair the column"
        )
        raise InputError(msg)


class ConstituentsReader:
    """Constituents that come batch by batch, of which only an upper bound is known beforehand.

    Parameters
    ----------
    jets : int
        The number of jets.
    particles : int
        At least the number of their constituents.
    """

    def __init__(self, jets: int, particles: int) -> None:
        self._offsets = np.zeros(jets + 1, np.int64)
        self._values = new_array((max(particles, 1), len(_FIELDS)), np.float32)
        self._jets = 0

    def add(self, offsets: NDArray[np.int64], values: Sequence[NDArray[np.float32]]) -> None:
        """Take the next jets: where each begins, from 0, and their pt, eta and phi.

        Raises
        ------
        InputError
            If one is not finite, or a pt is negative.
        """
        start, n = int(self._offsets[self._jets]), len(offsets) - 1
        self._offsets[self._jets + 1 : self._jets + 1 + n] = start + offsets[1:]
        for i, value in enumerate(values):
            self._values[start : start + len(value), i] = value
        _refuse_impossible(self._values[start : start + int(offsets[-1])])
        self._jets += n
        forget(self._values)

    def block(self) -> Constituents:
        """Return the block of all jets."""
        particles = Particles(self._offsets, self._values[: self._offsets[-1]])
        return Constituents((particles,), np.arange(len(particles)))
