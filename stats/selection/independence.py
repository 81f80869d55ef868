"""Whether score and mass are independent: mutual information against permutations, without cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from scipy.stats import random_table

from ...core import ConfigError, InputError, Record
from ..p_values.local import z_of_p
from .levels import check_one_per_event, rank_order

__all__ = ["SCORE_TAILS", "Independence", "independence_test"]

SCORE_TAILS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)
"""Upper tail fractions of the score between which events are counted together."""


@dataclass(frozen=True)
class Independence(Record):
    """Result of the test.

    Attributes
    ----------
    information : float
        Mutual information of score and mass as counted, nats; positive also without dependence.
    expected, expected_error : float
        Its mean and standard deviation over permutations.
    p_value, z : float
        (1 + k) / (1 + n) for k of n permutations with at least as much information; one-sided
        significance.
    is_limit : bool
        No permutation came up to the data: p_value is an upper limit.
    permutations, events : int
        How many.
    excess : tuple of tuple of float
        Events of each score bin (rows, from low to high) and mass bin (columns) over what
        independence expects, in Poisson errors: where the dependence sits.
    mass_edges : tuple of float
        Edges of the mass bins, GeV.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> found = independence_test(rng.random(500), rng.random(500), np.zeros(500), seed=1)
    >>> found.events, len(found.mass_edges)
    (500, 11)
    """

    information: float
    expected: float
    expected_error: float
    p_value: float
    z: float
    is_limit: bool
    permutations: int
    events: int
    excess: tuple[tuple[float, ...], ...]
    mass_edges: tuple[float, ...]


def independence_test(
    scores: ArrayLike,
    mass: ArrayLike,
    folds: ArrayLike,
    *,
    region: tuple[float, float] | None = None,
    events: ArrayLike | None = None,
    mass_bins: int = 10,
    tails: Sequence[float] = SCORE_TAILS,
    permutations: int = 1000,
    seed: int,
) -> Independence:
    r"""Test whether the score is independent of the mass (Kamenik, "Machine Learning at LHC").

    Without signal, and for a score that does not know the mass, the mutual information

    .. math:: I = \sum_{ij} \frac{n_{ij}}{n} \ln \frac{n\, n_{ij}}{n_{i\cdot}\, n_{\cdot j}}

    of score bin i and mass bin j vanishes but for fluctuations, which permutations of the masses
    within each fold show. Scores of different folds come from different models and cannot be
    compared; their quantiles can. So score bins are quantiles within the fold, finer towards high
    scores, where a signal is; one table counts the events of all folds, and is compared with the
    sum of the permuted tables of the folds. Those are drawn directly, given the sums of rows and
    columns (Patefield 1981, algorithm AS 159): a permutation costs as much for 10⁷ events as for
    10⁴. Binned information, since an estimate from nearest neighbours (Kraskov et al.,
    cond-mat/0305641) gives a one-per-mille tail no weight of its own.

    **A small p-value is not a signal.** A score that is correlated with the mass smoothly, or has
    learnt it (`fabricated_excess`), depends on the mass as well; so the test is one of ``-conformal_p(...)``
    or of a score known to be decorrelated, and says what of the dependence the sidebands do not
    explain: signal or sculpting. It has no trials factor but that of the windows.

    Parameters
    ----------
    scores : array_like of shape (n_events,)
        Anomaly scores of one window, larger is more anomalous.
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    folds : array_like of int, shape (n_events,)
        Outer fold of each event.
    region : tuple of float, optional
        Lowest and highest mass that count, GeV: the window with its sidebands.
    events : array_like of uint64, shape (n_events,), optional
        Event ids, by which ties are broken.
    mass_bins : int
        Bins of equal numbers of events.
    tails : sequence of float
        Upper tail fractions that bound the bins of the score, decreasing.
    permutations : int
        How many.
    seed : int
        Seed of the permutations.

    Returns
    -------
    Independence

    Raises
    ------
    InputError
        If lengths differ, values that count are not finite, or there are too few events.
    ConfigError
        If the bins cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> mass = rng.uniform(3000, 5000, 2000)
    >>> folds = rng.integers(0, 2, 2000)
    >>> independence_test(rng.random(2000), mass, folds, seed=1).p_value > 0.001
    True
    >>> independence_test(mass + rng.normal(0, 500, 2000), mass, folds, seed=1).is_limit
    True
    """
    limits = _checked_tails(tails, mass_bins, permutations)
    scores, mass, folds, ids = _checked_events(scores, mass, folds, events, region, mass_bins)
    edges = np.quantile(mass, np.linspace(0, 1, mass_bins + 1))
    columns = np.searchsorted(edges[1:-1], mass, side="right")
    rng = np.random.default_rng(seed)
    observed = np.zeros((len(limits) + 1, mass_bins), dtype=np.int64)
    permuted = np.zeros((permutations, *observed.shape), dtype=np.int64)
    for fold in np.unique(folds):
        members = np.flatnonzero(folds == fold)
        rows = _score_bins(scores[members], ids[members], limits)
        table = np.zeros_like(observed)
        np.add.at(table, (rows, columns[members]), 1)
        observed += table
        law = random_table(table.sum(axis=1), table.sum(axis=0))
        permuted += law.rvs(permutations, method="patefield", random_state=rng).astype(np.int64)
    information, null = float(_information(observed[None])[0]), _information(permuted)
    exceedances = int((null >= information * (1 - 1e-12)).sum())
    p, mean = (1 + exceedances) / (1 + permutations), permuted.mean(axis=0)
    excess = (observed - mean) / np.sqrt(np.maximum(mean, 1.0))
    return Independence(
        information=information,
        expected=float(null.mean()),
        expected_error=float(null.std()),
        p_value=p,
        z=float(z_of_p(p)),
        is_limit=exceedances == 0,
        permutations=permutations,
        events=int(mass.size),
        excess=tuple(tuple(row) for row in excess.tolist()),
        mass_edges=tuple(edges.tolist()),
    )


def _checked_tails(tails: Sequence[float], mass_bins: int, permutations: int) -> tuple[float, ...]:
    """Return the tails as numbers, or say which of the options cannot be used."""
    limits = tuple(float(tail) for tail in tails)
    decreasing = all(a > b for a, b in zip((1.0, *limits), (*limits, 0.0), strict=True))
    if not limits or not decreasing or mass_bins < 2 or permutations < 1:
        msg = (
            "the test needs decreasing tails in (0, 1), mass_bins >= 2 and permutations >= 1, got "
            f"{list(tails)}, {mass_bins} and {permutations}"
        )
        raise ConfigError(msg)
    return limits


def _checked_events(  # noqa: PLR0917
    scores: ArrayLike,
    mass: ArrayLike,
    folds: ArrayLike,
    events: ArrayLike | None,
    region: tuple[float, float] | None,
    mass_bins: int,
) -> tuple[NDArray, NDArray[np.float64], NDArray, NDArray]:
    """Return scores, masses, folds and ids of the events of the region, or say what is wrong."""
    scores, mass, folds = np.asarray(scores), np.asarray(mass, dtype=float), np.asarray(folds)
    ids = np.arange(scores.size) if events is None else np.asarray(events)
    check_one_per_event(scores, mass=mass, folds=folds, events=ids)
    low, high = (-np.inf, np.inf) if region is None else region
    use = (mass >= low) & (mass < high)
    if not np.isfinite(scores[use]).all():
        msg = f"{np.count_nonzero(~np.isfinite(scores[use]))} scores are not finite"
        raise InputError(msg)
    if np.count_nonzero(use) < 10 * mass_bins:
        msg = (
            f"{np.count_nonzero(use)} events between {low:g} and {high:g} GeV are too few for "
            f"{mass_bins} mass bins"
        )
        raise InputError(msg)
    return scores[use], mass[use], folds[use], ids[use]


def _score_bins(scores: NDArray, ids: NDArray, tails: tuple[float, ...]) -> NDArray[np.int64]:
    """Return the bin of each score: the number of upper tails it lies in."""
    rank = np.empty(scores.size, dtype=np.int64)
    rank[rank_order(scores, ids)] = np.arange(scores.size)
    last = np.array([int(tail * scores.size + 0.5) for tail in tails])
    return (rank[:, None] < last).sum(axis=1)


def _information(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mutual information of contingency tables (n, rows, columns), nats."""
    total = tables[0].sum()
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    cells = xlogy(tables, tables).sum(axis=(1, 2))
    margins = xlogy(rows, rows).sum(axis=1) + xlogy(columns, columns).sum(axis=1)
    return (cells - margins) / total + np.log(total)
