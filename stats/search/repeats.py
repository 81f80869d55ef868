r"""Several partitions into folds: one result of them all, so that no seed decides.

Every partition k trains its own models and selects its own events, and gives each window and
selection a significance :math:`z_k`, without signal a standard normal variable. The combined one is
made of their mean. Its variance has bounds from both sides: at most 1, whatever the partitions have
learnt from one another (Jensen), and at least what the events do that are selected in several of
them,

.. math:: V = \frac{\sum m^2}{K \sum m} \le \mathrm{Var}\,\bar z \le 1,

with m the number of partitions that select an event, summed over the events beside the signal region
(the same event adds its fluctuation m times). In between lies what V does not know: an event that made
another pass in one partition passes thanks to it in the next. The combined significance is
:math:`\bar z / V^{1/4}`, with the geometric mean of both bounds as standard deviation. With the
hardest of classifiers, retrained, it is conservative down to p = 1e-2; below that 2000 datasets
cannot tell (``benchmarks/repeats.py cells``).
It is compared with the pseudo-experiments of one partition.

What has to be of one selection (spectra, a peak, limits, workspaces, histograms) is of the
*representative* partition: of those that may be quoted where the combined significance is largest, the
one whose significance there is nearest to the mean. Pseudo-experiments tell which fits may be quoted;
where they rule the representative out, the next one takes its place and throws its own. In a row that
most partitions may quote and the representative may not, the counts and the fit are of the partition
nearest to the mean among those that may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr

from ...core import InputError
from ..p_values.local import z_of_log_p
from ..selection.patterns import Patterns
from ..spectra.fit_model import FitModel
from .hunt_result import Repeats, SelectionResult
from .pseudo_experiments import Toys, global_p
from .scanning import hiding
from .statistical_step import StatisticalStep, statistical_step

__all__ = [
    "RepeatedStep",
    "combined_partitions",
    "combined_z",
    "repeated_step",
    "shared_variance",
]

Array = NDArray[np.float64]

_HALF = 0.5  # of the partitions, of which more must agree that a spectrum may not be quoted
_QUARTER = 0.25
_LEAST = -2.0  # a deficit counts no more: where one event is expected, none has z = -8


def shared_variance(
    mass: ArrayLike, levels: ArrayLike, windows: ArrayLike, n_selections: int
) -> Array:
    """Return the variance of the mean over partitions that comes of events they share.

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    levels : array_like of int, shape (n_repeats, n_events, n_windows)
        Selections passed in each partition.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV; events in it do not count, so that a signal
        that all partitions select changes nothing.
    n_selections : int
        The selections, the unselected spectrum not counted.

    Returns
    -------
    ndarray of shape (n_windows, n_selections + 1)
        From 1/n_repeats, where no event is selected twice, to 1; 1 for the unselected spectrum, and
        where no event is selected.

    Examples
    --------
    >>> levels = [[[1], [1], [0], [0]], [[1], [0], [1], [0]]]
    >>> shared_variance([2.0, 2.0, 2.0, 5.0], levels, [[4.0, 6.0]], 1).tolist()
    [[1.0, 0.75]]
    """
    mass, levels = np.asarray(mass), np.asarray(levels)
    variance = np.ones((levels.shape[2], n_selections + 1))
    for window, (low, high) in enumerate(np.asarray(windows, dtype=float)):
        beside = levels[:, (mass < low) | (mass >= high), window]
        for level in range(1, n_selections + 1):
            times = (beside >= level).sum(axis=0)
            if times.any():
                variance[window, level] = (times**2).sum() / (len(levels) * times.sum())
    return variance


def combined_z(z: ArrayLike, good: ArrayLike, variance: ArrayLike = 1.0) -> Array:
    """Return the combined significance of the partitions that may be quoted.

    Parameters
    ----------
    z : array_like of shape (n_repeats, ...)
        Significances; below -2 they count as -2.
    good : array_like of bool, the same shape
        Which of them count.
    variance : array_like of shape (...)
        `shared_variance`; with 1, the mean itself is taken.

    Returns
    -------
    ndarray of shape (...)
        -2 where none counts.

    Examples
    --------
    >>> combined_z([[1.0, 2.0], [3.0, -8.2]], [[True, True], [True, False]]).tolist()
    [2.0, 2.0]
    >>> combined_z([1.0, 3.0], [True, True], 0.625).round(2).tolist()
    2.25
    """
    z, good = np.maximum(np.asarray(z, dtype=float), _LEAST), np.asarray(good, dtype=bool)
    number = np.maximum(good.sum(axis=0), 1)
    mean = np.where(good.any(axis=0), np.where(good, z, 0.0).sum(axis=0) / number, _LEAST)
    shared = (len(z) * np.asarray(variance) - 1) / max(len(z) - 1, 1)  # of any two partitions
    of_those = np.where(number > 1, (1 + (number - 1) * shared) / number, 1.0)
    return mean / of_those**_QUARTER


def combined_partitions(
    z: ArrayLike, counts: ArrayLike, badly_fitted: ArrayLike, variance: ArrayLike = 1.0
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the combined significances, and which may be quoted: one rule for all datasets.

    Parameters
    ----------
    z : array_like of shape (n_repeats, n_spectra)
        Significances.
    counts : array_like of bool, the same shape
        The fit converged, and the selection is neither refused nor contradicted: it is in the mean.
    badly_fitted : array_like of bool, the same shape
        The fit does not describe its sidebands.
    variance : array_like of shape (n_spectra,)
        `shared_variance`.

    Returns
    -------
    z : ndarray of shape (n_spectra,)
        `combined_z`.
    quotable : ndarray of bool, shape (n_spectra,)
        At least half of the partitions may be quoted.

    Examples
    --------
    >>> z, good = [[1.0, 2.0], [3.0, 4.0]], [[True, True], [True, False]]
    >>> combined, quotable = combined_partitions(z, good, [[True, False], [True, False]])
    >>> combined.tolist(), quotable.tolist()
    ([2.0, 2.0], [False, True])
    """
    counts = np.asarray(counts, dtype=bool)
    quotable = (counts & ~np.asarray(badly_fitted, dtype=bool)).mean(axis=0) >= _HALF
    return combined_z(z, counts, variance), quotable


def repeated_step(
    parts: Sequence[Patterns],
    windows: ArrayLike,
    efficiencies: Sequence[float],
    *,
    model: FitModel | None = None,
    spurious: ArrayLike | None = None,
    refused: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    searched: ArrayLike | None = None,
) -> StatisticalStep:
    """Take the statistical step of several partitions into folds, or of one.

    Parameters
    ----------
    parts : sequence of Patterns
        The same events, selected by the models of each partition.
    windows, efficiencies, model, spurious, searched
        As in `statistical_step`.
    refused : array_like of bool, shape ([n_repeats,] n_windows, n_selections), optional
        Selections that sculpt the spectrum.
    variance : array_like of shape (n_windows, n_selections + 1), optional
        Of the mean over the partitions (`shared_variance`); 1 by default, the bound from above.

    Returns
    -------
    StatisticalStep
        A `RepeatedStep` where there are several.

    Raises
    ------
    InputError, ConfigError, FitError
        As of `statistical_step`, and if there is no partition.

    Examples
    --------
    >>> from overdensity.stats import count_patterns, log_edges
    >>> rng, edges = np.random.default_rng(1), log_edges(2500, 6000, 32)
    >>> mass = 2500 / rng.random(5000) ** 0.2
    >>> parts = [count_patterns(mass, rng.random((5000, 1)) < 0.1, edges) for _ in range(3)]
    >>> step = repeated_step(parts, [edges[[8, 14]]], [0.1], model=FitModel("dijet3"))
    >>> one = [float(z_of_log_p(each.log_p[1])) for each in step.steps]
    >>> bool(np.isclose(z_of_log_p(step.log_p[1]), np.mean(one)))
    True
    """
    if not parts:
        msg = "a search needs the selections of at least one partition into folds"
        raise InputError(msg)
    every = [None] * len(parts) if refused is None else _of_each(refused, len(parts))
    steps = tuple(
        statistical_step(
            *(part, windows, efficiencies),
            model=model,
            spurious=spurious,
            refused=of_part,
            searched=searched,
        )
        for part, of_part in zip(parts, every, strict=True)
    )
    if len(steps) == 1:
        return steps[0]
    known = np.ones(steps[0].scan.shape) if variance is None else np.asarray(variance, dtype=float)
    return RepeatedStep.of(steps, known.ravel())


@dataclass(frozen=True, eq=False)
class RepeatedStep(StatisticalStep):
    """The statistical step of several partitions: the representative one, with combined p-values.

    Attributes
    ----------
    steps : tuple of StatisticalStep
        Those of the partitions.
    representative : int
        Which of them all else is of.
    variance : ndarray of shape (n_spectra,)
        Of the mean over the partitions, from the events that they share.

    Examples
    --------
    >>> from overdensity.stats import count_patterns, log_edges
    >>> rng, edges = np.random.default_rng(1), log_edges(2500, 6000, 32)
    >>> mass = 2500 / rng.random(5000) ** 0.2
    >>> parts = [count_patterns(mass, rng.random((5000, 1)) < 0.1, edges) for _ in range(3)]
    >>> step = repeated_step(parts, [edges[[8, 14]]], [0.1], model=FitModel("dijet3"))
    >>> middle = np.argsort([each.log_p[1] for each in step.steps])[1]
    >>> bool(step.representative == middle), step.scan.counts is step.steps[middle].scan.counts
    (True, True)
    """

    steps: tuple[StatisticalStep, ...]
    representative: int
    variance: Array

    @classmethod
    def of(cls, steps: tuple[StatisticalStep, ...], variance: Array) -> Self:
        """Return the combination of the steps of all partitions, before pseudo-experiments."""
        z, good = _significances(steps)
        combined, quotable = combined_partitions(z, good, np.zeros_like(good), variance)
        best = int(np.where(steps[0].counted & quotable, combined, -np.inf).argmax())
        return cls.represented(steps, variance, int(_distances(z, good)[:, best].argmin()))

    @classmethod
    def represented(
        cls, steps: tuple[StatisticalStep, ...], variance: Array, representative: int
    ) -> Self:
        """Return the combination, with all else of one of the partitions."""
        z, good = _significances(steps)
        refused = np.mean([step.refused for step in steps], axis=0) > _HALF
        neither = np.mean([step.refused | step.contradicted for step in steps], axis=0) > _HALF
        chosen = steps[representative]
        values = {field.name: getattr(chosen, field.name) for field in fields(StatisticalStep)}
        p_local = np.exp(log_ndtr(-combined_z(z, good, variance)))
        values |= {"scan": replace(chosen.scan, p_local=p_local)}
        values |= {"refused": refused, "contradicted": neither & ~refused}
        return cls(**values, steps=steps, representative=representative, variance=variance)

    @property
    def number(self) -> int:
        """How many partitions into folds it is of."""
        return len(self.steps)

    @cached_property
    def log_p(self) -> Array:
        """Combined local p-values of the data, logarithms, shape (n_spectra,)."""
        return log_ndtr(-combined_z(*_significances(self.steps), self.variance))

    def flagged(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which spectra may not be quoted: those flagged in more than half the partitions."""
        z, good = _significances(self.steps)
        bad = [step.badly_fitted(toys) for step in self.steps]
        return ~combined_partitions(z, good, bad, self.variance)[1]

    def settled(self, toys: Toys) -> Self:
        """Return the step that a quotable partition represents, and that hides its best window."""
        best = self.best(toys)
        if best is None:
            return self
        nearest = int(self._nearest(toys)[best])
        if nearest == self.representative:
            return super().settled(toys)
        moved = self.represented(self.steps, self.variance, nearest)
        return replace(moved, scan=hiding(moved.scan, best // self.scan.shape[1]))

    def sources(self, toys: Toys) -> list[StatisticalStep]:
        """Return the partition whose counts and fit each row shows: one that may quote them, if most may."""
        return [
            self if shown == self.representative else self.steps[shown]
            for shown in self.shown(toys).tolist()
        ]

    def shown(self, toys: Toys) -> NDArray[np.int64]:
        """Return the partition whose counts and fit each row shows, shape (n_spectra,)."""
        other = self.steps[self.representative].flagged(toys) & ~self.flagged(toys)
        return np.where(other, self._nearest(toys), self.representative)

    def rows(self, toys: Toys) -> list[SelectionResult]:
        """Return a row for each spectrum, with combined p-values."""
        rows, others = super().rows(toys), {}
        for k, shown in enumerate(self.shown(toys).tolist()):
            if shown != self.representative:
                own = others.setdefault(shown, self.steps[shown].rows(toys))[k]
                rows[k] = replace(own, p_local=rows[k].p_local, z_local=rows[k].z_local)
        return rows

    def _nearest(self, toys: Toys) -> NDArray[np.int64]:
        """Return the partition nearest to the mean among those that may be quoted, (n_spectra,)."""
        z, good = _significances(self.steps)
        quotable = ~np.array([step.flagged(toys) for step in self.steps])
        return _distances(z, good, among=quotable).argmin(axis=0)

    def _best_alone(self, toys: Toys) -> list[int | None]:
        """Return the spectrum with the smallest p-value of each partition, by the one null hypothesis."""
        use = np.array([step.usable(toys) for step in self.steps]) & (self.null.reason is None)
        log_p = np.where(use, [step.log_p for step in self.steps], np.inf)
        return [int(each.argmin()) if np.isfinite(each).any() else None for each in log_p]

    def repeats(self, toys: Toys) -> Repeats:
        """Return what each partition says on its own, by the same pseudo-experiments."""
        z, _ = _significances(self.steps)
        flagged = np.array([step.flagged(toys) for step in self.steps])
        shown = np.where(flagged, np.nan, z).reshape(len(z), *self.scan.shape)
        best = self.best(toys)
        alone = self._best_alone(toys)
        smallest = self.smallest(toys)[1]
        return Repeats(
            representative=self.representative,
            shown=tuple(map(tuple, self.shown(toys).reshape(self.scan.shape).tolist())),
            spread=None if best is None else float(np.std(z[:, best], ddof=1)),
            z_local=_plain(shown),
            largest_z=tuple(None if k is None else float(z[i, k]) for i, k in enumerate(alone)),
            p_global=tuple(
                None if k is None else global_p(step.scan.p_local[k], smallest).p_global
                for step, k in zip(self.steps, alone, strict=True)
            ),
        )


def _significances(steps: Sequence[StatisticalStep]) -> tuple[Array, NDArray[np.bool_]]:
    """Return the significances of all partitions, and which count, (n_repeats, n_spectra)."""
    z = np.array([z_of_log_p(step.log_p) for step in steps])
    good = np.array(
        [step.scan.fits.converged[0] & ~(step.refused | step.contradicted) for step in steps]
    )
    return z, good


def _distances(
    z: Array, good: NDArray[np.bool_], *, among: NDArray[np.bool_] | None = None
) -> Array:
    """Return how far each partition is from the mean of those that count, infinite for others."""
    return np.where(good if among is None else among, np.abs(z - combined_z(z, good)), np.inf)


def _of_each(refused: ArrayLike, n_repeats: int) -> NDArray[np.bool_]:
    """Return what is refused in each partition; what is given once is so in all."""
    given = np.asarray(refused, dtype=bool)
    if given.ndim == 2:
        return np.repeat(given[None], n_repeats, axis=0)
    if len(given) != n_repeats:
        msg = f"refused is of {len(given)} partitions into folds, and the levels are of {n_repeats}"
        raise InputError(msg)
    return given


def _plain(z: Array) -> tuple[tuple[tuple[float | None, ...], ...], ...]:
    return tuple(
        tuple(tuple(None if np.isnan(value) else value for value in row) for row in part)
        for part in z.tolist()
    )
