"""Sculpting: how much a selection changes the mass spectrum of background.

`overdensity.stats.sculpting.fabricated` asks another question of data, in which truth is unknown and signal may
hide: how large an excess the sideband fit of a search would see by mistake, and whether a selection
must be refused for it. Here the events are known to be background, as in a benchmark, and what is
measured is the plain change of shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import ConfigError, InputError, Record

__all__ = ["MassSculpting", "mass_sculpting"]


@dataclass(frozen=True)
class MassSculpting(Record):
    """What one selection does to the mass spectrum of background.

    Attributes
    ----------
    efficiency : float
        The fraction of background that was asked for.
    edges : tuple of float
        Bin edges, GeV.
    before, after : tuple of int
        Events in each bin, before and after selection.
    chi2 : float
        Pearson's, of the hypothesis that the selected events are a random subset.
    ndf : int
        Filled bins less one: the expectation of ``chi2`` under that hypothesis.
    distance : float
        Jensen-Shannon distance of both spectra at equal normalisation, base 2, in [0, 1].
    distance_expected : float
        What fluctuations alone give for it: its root mean square for a random subset.

    Examples
    --------
    >>> mass = np.linspace(2000, 6000, 4000, endpoint=False)
    >>> (found,) = mass_sculpting(mass, mass, edges=[2000, 4000, 6000], efficiencies=[0.5])
    >>> found.before, found.after, round(found.distance, 2)
    ((2000, 2000), (0, 2000), 0.56)
    """

    efficiency: float
    edges: tuple[float, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    chi2: float
    ndf: int
    distance: float
    distance_expected: float


def mass_sculpting(
    mass: NDArray[np.floating],
    score: NDArray[np.floating],
    *,
    edges: ArrayLike,
    efficiencies: Sequence[float],
    fold: NDArray[np.integer] | None = None,
) -> tuple[MassSculpting, ...]:
    r"""Compare the mass spectra of background events before and after selections on the score.

    With :math:`N_i` of N events in bin i before and :math:`n_i` of n after the selection, and
    :math:`r = n / N`,

    .. math:: \chi^2 = \sum_i \frac{(n_i - r N_i)^2}{r N_i (1 - r)},

    whose expectation for a random subset is the number of filled bins less one, however few events
    a bin has. The Jensen-Shannon distance is the root of the mean divergence of both spectra from
    their mean; for a random subset the mean square is :math:`\mathrm{ndf}\,(1/n - 1/N) / (8 \ln 2)`
    to leading order.

    Parameters
    ----------
    mass : ndarray, shape (n_events,)
        Resonant mass of background events, GeV; those outside the edges do not count.
    score : ndarray, shape (n_events,)
        Larger is more anomalous.
    edges : array_like, shape (n_bins + 1,)
        Bin edges, GeV.
    efficiencies : sequence of float
        Fractions of the events within the edges that are kept.
    fold : ndarray of int, shape (n_events,), optional
        Which model gave each score. Scores of different models cannot be compared, so the
        fraction is kept in each fold. Events of equal score are taken in the order given.

    Returns
    -------
    tuple of MassSculpting
        In the order of the efficiencies.

    Raises
    ------
    InputError
        If shapes disagree, or no event is within the edges or kept.
    ConfigError
        If an efficiency is not between 0 and 1, or the edges do not increase.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mass, edges = 2000 + rng.exponential(800, 5000), np.linspace(2000, 5000, 7)
    >>> for score in (rng.random(5000), mass):
    ...     (found,) = mass_sculpting(mass, score, edges=edges, efficiencies=[0.1])
    ...     print(found.chi2 < 3 * found.ndf, found.distance < 3 * found.distance_expected)
    True True
    False False
    """
    mass, score = np.asarray(mass), np.asarray(score)
    fold = np.zeros(len(mass), np.int64) if fold is None else np.asarray(fold)
    if mass.ndim != 1 or score.shape != mass.shape or fold.shape != mass.shape:
        msg = f"mass {mass.shape}, score {score.shape} and fold {fold.shape} must be (n_events,)"
        raise InputError(msg)
    edges = np.asarray(edges, dtype=float)
    if edges.ndim != 1 or len(edges) < 3 or np.any(np.diff(edges) <= 0):
        msg = f"edges: a spectrum needs at least two bins whose edges increase, found {edges}"
        raise ConfigError(msg)
    inside = (mass >= edges[0]) & (mass < edges[-1])
    if not inside.any():
        msg = f"none of {len(mass)} events has a mass between {edges[0]:g} and {edges[-1]:g} GeV"
        raise InputError(msg)
    mass, score, fold = mass[inside], score[inside], fold[inside]
    return tuple(_one(mass, score, fold, edges, efficiency) for efficiency in efficiencies)


def _one(
    mass: NDArray[np.floating],
    score: NDArray[np.floating],
    fold: NDArray[np.integer],
    edges: NDArray[np.float64],
    efficiency: float,
) -> MassSculpting:
    if not 0 < efficiency < 1:
        msg = f"efficiencies: a selection keeps a fraction between 0 and 1, not {efficiency:g}"
        raise ConfigError(msg)
    kept = np.zeros(len(mass), bool)
    for each in np.unique(fold):
        members = np.flatnonzero(fold == each)
        best = np.argsort(-score[members], kind="stable")
        kept[members[best[: round(efficiency * len(members))]]] = True
    if not kept.any():
        msg = f"a selection of {efficiency:g} keeps none of {len(mass)} events; give more, or keep more"
        raise InputError(msg)
    before, after = np.histogram(mass, edges)[0], np.histogram(mass[kept], edges)[0]
    total, selected = before.sum(), after.sum()
    share = selected / total
    expected = share * before[before > 0]
    chi2 = np.sum((after[before > 0] - expected) ** 2 / (expected * (1 - share)))
    ndf = int(np.count_nonzero(before)) - 1
    return MassSculpting(
        efficiency=float(efficiency),
        edges=tuple(edges.tolist()),
        before=tuple(before.tolist()),
        after=tuple(after.tolist()),
        chi2=float(chi2),
        ndf=ndf,
        distance=_jensen_shannon(before / total, after / selected),
        distance_expected=float(np.sqrt(ndf * (1 / selected - 1 / total) / (8 * np.log(2)))),
    )


def _jensen_shannon(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return the Jensen-Shannon distance of two normalised spectra, base 2."""
    middle = (p + q) / 2
    divergence = sum(
        np.sum(each[each > 0] * np.log2(each[each > 0] / middle[each > 0])) / 2 for each in (p, q)
    )
    return float(np.sqrt(max(divergence, 0.0)))
