"""The statistical step: a scan, what counts in it, and how the smallest p-value is picked.

`hunt` takes this step in one channel, `hunt_channels` in several. One rule picks the smallest
p-value in data and pseudo-experiments: whatever the data are asked, every pseudo-experiment is asked
too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError
from ..p_values.local import local_log_p, z_of_log_p, z_of_p
from ..selection.contradiction import contradicted
from ..selection.patterns import Patterns
from ..spectra.fit_model import FitModel
from ..spectra.resonance import Resonance, fit_resonance
from ..spectra.spectrum import SpectrumFit, fit
from .flags import flag_sentences
from .hunt_result import SelectionResult
from .null import Null, null_hypothesis
from .pseudo_experiments import Mapper, Toys, is_enough, toys_in_rounds
from .scanning import Scan, hiding, scan
from .selected_spectrum import selected_peak, selected_spectrum
from .trials import NOT_COUNTED, Trials, trials

__all__ = ["StatisticalStep", "settled_step", "statistical_step"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
StepT = TypeVar("StepT", bound="StatisticalStep")


def statistical_step(
    patterns: Patterns,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    *,
    model: FitModel | None = None,
    spurious: ArrayLike | None = None,
    refused: ArrayLike | None = None,
    searched: ArrayLike | None = None,
    odds_widths: ArrayLike | None = None,
) -> StatisticalStep:
    """Fit every window and selection.

    The background-only hypothesis hides the window of the smallest p-value, spectra apart that are
    refused or contradicted, or did not converge.

    Parameters
    ----------
    patterns : Patterns
        Events counted in the bins of the fits.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV, on bin edges.
    efficiencies : sequence of float
        The selections, decreasing. With 1 in front, the unselected spectrum counts too, where a
        function is fitted to it.
    model : FitModel, optional
        How the background is fitted, and which fits may be quoted.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal as a fraction of the background.
    refused : array_like of bool, shape (n_windows, n_selections), optional
        Selections that sculpt the spectrum.
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
    >>> edges = log_edges(2500, 6000, 32)
    >>> mass = 2500 / np.random.default_rng(1).random(5000) ** 0.2
    >>> events = count_patterns(mass, (np.arange(5000) % 10 == 0)[:, None] * 1, edges)
    >>> step = statistical_step(events, [edges[[8, 14]]], [0.1], model=FitModel("dijet3"))
    >>> step.scan.efficiencies, step.counted.tolist(), bool((step.log_p > -10).all())
    ((1.0, 0.1), [False, True], True)
    """
    model = model or FitModel()
    fits = scan(
        patterns,
        windows,
        efficiencies,
        model=model,
        spurious=spurious,
        searched=searched,
        odds_widths=odds_widths,
    )
    counted = np.ones(fits.shape, dtype=bool)
    counted[:, 0] = float(efficiencies[0]) == 1.0 and model.background == "function"
    if searched is not None:
        counted &= np.asarray(searched, dtype=bool)[:, None]
    counted, sculpted, data = counted.ravel(), _checked_refused(refused, fits), fits.fits
    moved = contradicted(fits.observed, data.expected[0], data.error[0], n_levels=fits.shape[1])
    among = counted & ~(sculpted | moved) & data.converged[0]
    hidden = int(np.where(among, fits.p_local, 1.0).argmin()) // fits.shape[1]
    return StatisticalStep(
        patterns=patterns,
        scan=hiding(fits, hidden),
        model=model,
        counted=counted,
        refused=sculpted,
        contradicted=moved & ~sculpted,
    )


def settled_step(
    step: StepT, *, n: int, seed: int, in_rounds: bool = False, mapper: Mapper | None = None
) -> tuple[StepT, Toys]:
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
    """Fits of a scan, and the rule that picks the smallest p-value of them.

    Attributes
    ----------
    patterns : Patterns
        Events counted in the bins of the fits.
    scan : Scan
        Fits of every window and selection, numbered window by window.
    model : FitModel
        How they were made.
    counted : ndarray of bool, shape (n_spectra,)
        Spectra that are searched.
    refused : ndarray of bool, shape (n_spectra,)
        Selections that sculpt the spectrum; the unselected ones only where they are their own
        expectation (``FitModel.background``).
    contradicted : ndarray of bool, shape (n_spectra,)
        Selections, not refused already, whose excess the unselected spectrum cannot hide.
    """

    patterns: Patterns
    scan: Scan
    model: FitModel
    counted: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    contradicted: NDArray[np.bool_]

    @property
    def number(self) -> int:
        """How many partitions into folds it is of."""
        return 1

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
        return null_hypothesis(self.patterns, self.scan)

    def settled(self, toys: Toys) -> Self:
        """Return the step whose pseudo-experiments are wanted, once it is known what they say."""
        best = self.best(toys)
        window = self.hidden if best is None else best // self.scan.shape[1]
        return self if window == self.hidden else replace(self, scan=hiding(self.scan, window))

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

    @cached_property
    def log_p(self) -> Array:
        """Local p-values of the data, logarithms, shape (n_spectra,)."""
        fits = self.scan.fits
        error = np.hypot(fits.error[0], self._spurious)
        return local_log_p(self.scan.observed, fits.expected[0], error)

    @property
    def _spurious(self) -> Array:
        """Spurious signal in events, shape (n_spectra,)."""
        return self.scan.spurious * self.scan.fits.expected[0]

    def flagged(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which spectra of the data may not be quoted, shape (n_spectra,)."""
        unfit = self.badly_fitted(toys) | ~self.scan.fits.converged[0]
        return unfit | self.refused | self.contradicted

    def badly_fitted(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which fits of the data do not describe their sidebands, shape (n_spectra,)."""
        return np.less(toys.goodness(self.scan.fits.deviance[0]), self.model.gof_threshold)

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
        of_data = float(np.where(self.usable(toys), self.scan.p_local, 1.0).min())
        return of_data, self.smallest_of_windows(toys).min(axis=1)

    def trials(self, toys: Toys, z_local: float) -> Trials:
        """Correct the largest local significance for the trials, in three ways."""
        z = np.where(self._use_toys(toys), z_of_p(toys.p_local), NOT_COUNTED)
        return trials(z_local, z.reshape(-1, *self.scan.shape))

    def rows(self, toys: Toys) -> list[SelectionResult]:
        """Return a row for each spectrum."""
        fits, flagged = self.scan.fits, self.flagged(toys)
        goodness = toys.goodness(fits.deviance[0])
        tested = self.scan.problem.tested.sum(axis=1)
        problem = self.scan.problem
        n_par = np.full(self.scan.shape, problem.columns.shape[1])
        n_par[:, 0] = problem.basis.n_parameters
        return [
            SelectionResult(
                efficiency=self.scan.efficiencies[k % self.scan.shape[1]],
                observed=int(self.scan.observed[k]),
                expected=float(fits.expected[0, k]),
                expected_error=float(fits.error[0, k]) if np.isfinite(fits.error[0, k]) else None,
                spurious=float(self._spurious[k]),
                p_local=None if flagged[k] else float(self.scan.p_local[k]),
                z_local=None if flagged[k] else float(z_of_log_p(self.log_p[k])),
                chi2=float(fits.deviance[0, k]),
                ndf=int(tested[k] - n_par.flat[k]),
                fit_p_value=float(goodness[k]),
                flagged=bool(flagged[k]),
                refused=bool(self.refused[k] or self.contradicted[k]),
                searched=bool(self.counted[k]),
            )
            for k in range(flagged.size)
        ]

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

    def sources(self, toys: Toys) -> list[StatisticalStep]:  # noqa: ARG002 - of several, they count
        """Return the step whose counts and fit each row shows; of one partition it is this one."""
        return [self] * self.counted.size

    def peak(self, k: int) -> Resonance:
        """Fit a peak in one spectrum, at the masses of its window."""
        window, selection = divmod(k, self.scan.shape[1])
        if selection:
            return selected_peak(self.scan, k)
        low, high = self.scan.windows[window].tolist()
        edges, function = self.scan.problem.basis.edges, self.model.function
        return fit_resonance(edges, self.scan.counts[k], low, high, function=function)

    def spectrum(self, k: int, seed: int) -> SpectrumFit | None:
        """Return the sideband fit of one spectrum with all errors; None where it has none."""
        problem, (window, selection) = self.scan.problem, divmod(k, self.scan.shape[1])
        try:
            if selection:
                return selected_spectrum(self.scan, k, seed=seed)
            if problem.background != "function":
                return None
            return fit(
                problem.basis.edges,
                self.scan.counts[k],
                masked=problem.masked[k],
                function=problem.basis.name,
                seed=seed,
            )
        except FitError as error:  # of a flagged spectrum, say: the result stands without it
            low, high = self.scan.windows[window]
            logger.warning("selection %d of %.0f-%.0f GeV: %s", selection, low, high, error)
            return None

    def _use_toys(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which p-values of the pseudo-experiments count, shape (n, n_spectra)."""
        return self.counted & ~self.refused & ~toys.bad_fit(self.model.gof_threshold)


def _checked_refused(refused: ArrayLike | None, fits: Scan) -> NDArray[np.bool_]:
    """Return which spectra are refused, shape (n_spectra,); an unselected one that is not fitted is."""
    all_refused = np.zeros(fits.shape, dtype=bool)
    all_refused[:, 0] = fits.problem.background != "function"
    if refused is not None:
        given = np.asarray(refused, dtype=bool)
        if given.shape != (fits.shape[0], fits.shape[1] - 1):
            msg = (
                f"refused has shape {given.shape}, but there are {fits.shape[0]} windows of "
                f"{fits.shape[1] - 1} selections"
            )
            raise InputError(msg)
        all_refused[:, 1:] = given
    return all_refused.ravel()
