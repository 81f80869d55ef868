"""The statistical step: a scan, what counts in it, and how the smallest p-value is picked.

`hunt` takes this step in one channel, `hunt_channels` in several. One rule picks the smallest
p-value in data and pseudo-experiments: whatever the data are asked, every pseudo-experiment is asked
too.

Of several partitions into folds the p-values are combined (`p_values.repeats`). What has to be of one
selection (spectra, a peak, limits, workspaces, histograms) is of the *representative* partition: of those
that may be quoted where the combined significance is largest, the one nearest to the mean there. Pseudo-experiments tell which fits may be quoted;
where they rule the representative out, the next one takes its place and throws its own. In a row that
most partitions may quote and the representative may not, the counts and the fit are of the partition
nearest to the mean among those that may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr

from ..p_values.local import z_of_log_p, z_of_p
from ..p_values.repeats import combined_partitions, combined_z, distances
from ..selection.patterns import Patterns
from ..spectra.fit_model import FitModel
from .flags import flag_sentences
from .hunt_result import Repeats, SelectionResult
from .null import Null, null_hypothesis
from .partition_fits import PartitionFits, alone_in, fit_partitions
from .pseudo_experiments import Mapper, Toys, is_enough, toys_in_rounds
from .scanning import Scan
from .trials import NOT_COUNTED, Trials, trials

__all__ = ["StatisticalStep", "settled_step", "statistical_step"]

Array = NDArray[np.float64]

_HALF = 0.5  # of the partitions, of which more must agree that a spectrum may not be quoted


def statistical_step(
    patterns: Patterns | Sequence[Patterns],
    windows: ArrayLike,
    efficiencies: Sequence[float],
    *,
    model: FitModel | None = None,
    spurious: ArrayLike | None = None,
    refused: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    searched: ArrayLike | None = None,
    odds_widths: ArrayLike | None = None,
) -> StatisticalStep:
    """Fit every window and selection, in each partition into folds.

    Parameters
    ----------
    patterns : Patterns or sequence of Patterns
        Events counted in the bins of the fits; the same events for each partition, selected by its
        models.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV, on bin edges.
    efficiencies : sequence of float
        The selections, decreasing. With 1 in front, the unselected spectrum counts too, where a
        function is fitted to it.
    model : FitModel, optional
        How the background is fitted, and which fits may be quoted.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal as a fraction of the background.
    refused : array_like of bool, shape ([n_repeats,] n_windows, n_selections), optional
        Selections that sculpt the spectrum.
    variance : array_like of shape (n_windows, n_selections + 1), optional
        Of the mean over the partitions (`shared_variance`); 1 by default, the bound from above.
    searched : array_like of bool, shape (n_windows,), optional
        Windows that are searched; by default all.
    odds_widths : array_like of shape (n_selections, order), optional
        Constraints of the efficiencies where they are known (`scan`).

    Returns
    -------
    StatisticalStep

    Raises
    ------
    InputError, ConfigError
        If the input cannot be used.
    FitError
        If there are too few events to fit.

    Examples
    --------
    >>> from overdensity.stats import count_patterns, log_edges
    >>> rng, edges = np.random.default_rng(1), log_edges(2500, 6000, 32)
    >>> mass = 2500 / rng.random(5000) ** 0.2
    >>> parts = [count_patterns(mass, rng.random((5000, 1)) < 0.1, edges) for _ in range(3)]
    >>> step = statistical_step(parts[0], [edges[[8, 14]]], [0.1], model=FitModel("dijet3"))
    >>> step.scan.efficiencies, step.counted.tolist(), bool((step.log_p > -10).all())
    ((1.0, 0.1), [False, True], True)

    Without their variance, the combined significance of partitions is their mean:

    >>> step = statistical_step(parts, [edges[[8, 14]]], [0.1], model=FitModel("dijet3"))
    >>> one = [float(each.z[1]) for each in step.parts]
    >>> bool(np.isclose(z_of_log_p(step.log_p[1]), np.mean(one)))
    True
    """
    parts = fit_partitions(
        *([patterns] if isinstance(patterns, Patterns) else patterns, windows, efficiencies),
        refused=refused,
        model=model or FitModel(),
        spurious=spurious,
        searched=searched,
        odds_widths=odds_widths,
    )
    return StatisticalStep.of(parts, variance)


def settled_step(
    step: StatisticalStep,
    *,
    n: int,
    seed: int,
    in_rounds: bool = False,
    mapper: Mapper | None = None,
) -> tuple[StatisticalStep, Toys]:
    """Throw the pseudo-experiments of a step, and again where they show that others are needed.

    Goodness of fit is known from pseudo-experiments only, and these from the background-only
    hypothesis, which hides the window of the smallest p-value. Where that fit turns out to be
    flagged, the window of the headline is hidden in its place.

    Parameters
    ----------
    step : StatisticalStep
        The step.
    n : int
        How many pseudo-experiments.
    seed : int
        Their seed.
    in_rounds : bool
        Throw fewer where the global p-value is soon known well enough (`is_enough`).
    mapper : callable, optional
        Runs the batches of them.

    Returns
    -------
    StatisticalStep, Toys

    Examples
    --------
    >>> from overdensity.stats import count_patterns, log_edges
    >>> edges = log_edges(2500, 6000, 32)
    >>> mass = 2500 / np.random.default_rng(1).random(5000) ** 0.2
    >>> events = count_patterns(mass, (np.arange(5000) % 10 == 0)[:, None] * 1, edges)
    >>> step = statistical_step(events, [edges[[8, 14]]], [0.1], model=FitModel("dijet3"))
    >>> step, toys = settled_step(step, n=250, seed=1)
    >>> step.hidden == step.best(toys) // 2
    True
    """
    toys = step.thrown(n, seed, in_rounds=in_rounds, mapper=mapper)
    for _ in range(step.number):
        settled = step.settled(toys)
        if settled is step:
            break
        step, toys = settled, settled.thrown(n, seed, in_rounds=in_rounds, mapper=mapper)
    return step, toys


@dataclass(frozen=True, eq=False)
class StatisticalStep:
    """Fits of all partitions into folds, and the rule that picks the smallest p-value of them.

    Attributes
    ----------
    parts : tuple of PartitionFits
        The fits of each partition.
    variance : ndarray of shape (n_spectra,)
        Of the mean over the partitions, from the events that they share.
    representative : int
        Spectra, the peak and the pseudo-experiments are of this partition.
    chosen : PartitionFits
        Its fits, whose background-only hypothesis hides the window that it should.
    """

    parts: tuple[PartitionFits, ...]
    variance: Array
    representative: int
    chosen: PartitionFits

    @classmethod
    def of(cls, parts: Sequence[PartitionFits], variance: ArrayLike | None = None) -> Self:
        """Return the step of some partitions, before pseudo-experiments."""
        shared = np.ones(parts[0].counted.shape) if variance is None else np.ravel(variance)
        z, may_count = _significances(parts)
        combined, quotable = combined_partitions(z, may_count, np.zeros_like(may_count), shared)
        best = int(np.where(parts[0].counted & quotable, combined, -np.inf).argmax())
        nearest = int(distances(z, may_count, may_count)[:, best].argmin())
        return cls(tuple(parts), shared, nearest, parts[nearest])

    @property
    def number(self) -> int:
        """How many partitions into folds it is of."""
        return len(self.parts)

    @property
    def scan(self) -> Scan:
        """The fits of the representative partition."""
        return self.chosen.scan

    @property
    def model(self) -> FitModel:
        """How all fits were made."""
        return self.chosen.model

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Spectra that are searched, shape (n_spectra,)."""
        return self.chosen.counted

    @cached_property
    def refused(self) -> NDArray[np.bool_]:
        """Selections that sculpt the spectrum in most partitions, shape (n_spectra,)."""
        return np.mean([part.refused for part in self.parts], axis=0) > _HALF

    @cached_property
    def contradicted(self) -> NDArray[np.bool_]:
        """Others that most refuse, or whose excess the unselected spectrum cannot hide."""
        either = np.mean([part.refused | part.contradicted for part in self.parts], axis=0) > _HALF
        return either & ~self.refused

    @property
    def searched(self) -> NDArray[np.bool_]:
        """Which windows have a spectrum that is searched, shape (n_windows,)."""
        return np.any(self.counted.reshape(self.scan.shape), axis=1)

    @property
    def hidden(self) -> int:
        """The window that the background-only hypothesis does not see."""
        return self.scan.hidden

    @cached_property
    def null(self) -> Null:
        """The background-only hypothesis, found when it is first asked for."""
        return null_hypothesis(self.chosen.patterns, self.scan)

    @cached_property
    def log_p(self) -> Array:
        """Local p-values of the data, logarithms, shape (n_spectra,)."""
        if self.number == 1:
            return self.chosen.log_p
        return log_ndtr(-combined_z(*_significances(self.parts), self.variance))

    @property
    def p_local(self) -> Array:
        """Local p-values of the data, shape (n_spectra,)."""
        return self.scan.p_local if self.number == 1 else np.exp(self.log_p)

    def settled(self, toys: Toys) -> Self:
        """Return the step whose pseudo-experiments are wanted, once it is known what they say.

        A partition represents it that may quote the best spectrum, and the window of that is hidden.
        """
        best = self.best(toys)
        if best is None:
            return self
        nearest = int(self._nearest(toys)[best])
        fits = self.chosen if nearest == self.representative else self.parts[nearest]
        fits = fits.hiding(best // self.scan.shape[1])
        return self if fits is self.chosen else replace(self, representative=nearest, chosen=fits)

    def thrown(self, n: int, seed: int, *, in_rounds: bool, mapper: Mapper | None) -> Toys:
        """Throw pseudo-experiments, as in `settled_step`."""
        rounds = toys_in_rounds(self.scan, self.null, n=n, seed=seed, mapper=mapper)
        toys = next(rounds)
        while not (in_rounds and is_enough(*self.smallest(toys))):
            more = next(rounds, None)
            if more is None:
                break
            toys = more
        return toys

    def flagged(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which spectra may not be quoted, in more than half the partitions."""
        bad = [part.badly_fitted(toys) for part in self.parts]
        return ~combined_partitions(*_significances(self.parts), bad, self.variance)[1]

    def usable(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which spectra of the data are searched and may be quoted, shape (n_spectra,)."""
        return self.counted & ~self.flagged(toys)

    def best_of_windows(self, toys: Toys) -> tuple[NDArray[np.int64], Array]:
        """Return the spectrum with the smallest p-value of each window, or -1, and ln p, or 0."""
        use = self.usable(toys).reshape(self.scan.shape) & (self.null.reason is None)
        log_p = self.log_p.reshape(self.scan.shape)
        column = np.where(use, log_p, np.inf).argmin(axis=1)
        row = np.arange(len(log_p))
        found = use[row, column]
        index = np.where(found, row * self.scan.shape[1] + column, -1)
        return index, np.where(found, log_p[row, column], 0.0)

    def best(self, toys: Toys) -> int | None:
        """Return the spectrum with the smallest p-value; None where none may be quoted."""
        index, log_p = self.best_of_windows(toys)
        if not (index >= 0).any():
            return None
        return int(index[np.where(index >= 0, log_p, np.inf).argmin()])

    def smallest_of_windows(self, toys: Toys) -> Array:
        """Return the smallest local p of each window of the pseudo-experiments, (n, n_windows)."""
        p_local = np.where(self._use_toys(toys), toys.p_local, 1.0)
        return p_local.reshape(-1, *self.scan.shape).min(axis=2)

    def smallest(self, toys: Toys) -> tuple[float, Array]:
        """Return the smallest p-value of the data and of each pseudo-experiment."""
        of_data = float(np.where(self.usable(toys), self.p_local, 1.0).min())
        return of_data, self.smallest_of_windows(toys).min(axis=1)

    def trials(self, toys: Toys, z_local: float) -> Trials:
        """Correct the largest local significance for the trials, in three ways."""
        z = np.where(self._use_toys(toys), z_of_p(toys.p_local), NOT_COUNTED)
        return trials(z_local, z.reshape(-1, *self.scan.shape))

    def rows(self, toys: Toys) -> list[SelectionResult]:
        """Return a row for each spectrum, with the p-values of all partitions."""
        flagged, own = self.flagged(toys), {}
        rows = []
        for k, shown in enumerate(self.shown(toys).tolist()):
            if shown not in own:
                own[shown] = self.fits_of(shown).rows(toys)
            may = not flagged[k]
            rows.append(
                replace(
                    own[shown][k],
                    p_local=float(self.p_local[k]) if may else None,
                    z_local=float(z_of_log_p(self.log_p[k])) if may else None,
                    flagged=not may,
                    refused=bool(self.refused[k] or self.contradicted[k]),
                )
            )
        return rows

    def fits_of(self, part: int) -> PartitionFits:
        """Return the fits of a partition; of the representative, those that hide its best window."""
        return self.chosen if part == self.representative else self.parts[part]

    def sources(self, toys: Toys) -> list[PartitionFits]:
        """Return the fits that each row shows: of a partition that may quote them, if most may."""
        return [self.fits_of(part) for part in self.shown(toys).tolist()]

    def shown(self, toys: Toys) -> NDArray[np.int64]:
        """Return the partition whose counts and fit each row shows, shape (n_spectra,)."""
        other = self.chosen.flagged(toys) & ~self.flagged(toys)
        return np.where(other, self._nearest(toys), self.representative)

    def repeats(self, toys: Toys) -> Repeats:
        """Return what each partition says on its own, by the same pseudo-experiments."""
        best, thrown = self.best(toys), self.smallest(toys)[1]
        alone = [alone_in(part, toys, thrown, self.null.reason is None) for part in self.parts]
        return Repeats(
            representative=self.representative,
            shown=tuple(map(tuple, self.shown(toys).reshape(self.scan.shape).tolist())),
            spread=None if best is None else float(np.std([x.z[best] for x in self.parts], ddof=1)),
            z_local=tuple(each.z_local for each in alone),
            largest_z=tuple(each.largest_z for each in alone),
            p_global=tuple(each.p_global for each in alone),
        )

    def flags(self, toys: Toys, seed: int) -> tuple[str, ...]:
        """Return what a reader must know, in plain sentences."""
        best = self.best(toys)
        return flag_sentences(
            self.scan,
            self.null,
            toys,
            flagged=self.flagged(toys) & self.counted,
            refused=self.refused & self.counted,
            contradicted=self.contradicted & self.counted,
            threshold=self.model.gof_threshold,
            best=best,
            z_best=-np.inf if best is None else float(z_of_log_p(self.log_p[best])),
            seed=seed,
        )

    def _nearest(self, toys: Toys) -> NDArray[np.int64]:
        """Return the partition nearest to the mean among those that may be quoted, (n_spectra,)."""
        z, good = _significances(self.parts)
        quotable = ~np.array([part.flagged(toys) for part in self.parts])
        return distances(z, good, quotable).argmin(axis=0)

    def _use_toys(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which p-values of the pseudo-experiments count, shape (n, n_spectra)."""
        return self.counted & ~self.refused & ~toys.bad_fit(self.model.gof_threshold)


def _significances(parts: Sequence[PartitionFits]) -> tuple[Array, NDArray[np.bool_]]:
    """Return the significances of all partitions, and which count, (n_repeats, n_spectra)."""
    return np.array([part.z for part in parts]), np.array([part.may_count for part in parts])
