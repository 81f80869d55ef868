"""The fits of one partition into folds, and which of them may be quoted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError
from ..p_values.local import z_of_log_p
from ..selection.contradiction import contradicted
from ..selection.patterns import Patterns
from ..spectra.fit_model import FitModel
from ..spectra.resonance import Resonance, fit_resonance
from ..spectra.spectrum import SpectrumFit, fit
from .hunt_result import SelectionResult
from .pseudo_experiments import Toys, global_p
from .scanning import Scan, hiding, scan
from .selected_spectrum import selected_peak, selected_spectrum

__all__ = ["Alone", "PartitionFits", "alone_in", "fit_partitions"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]


def fit_partitions(
    parts: Sequence[Patterns],
    windows: ArrayLike,
    efficiencies: Sequence[float],
    *,
    model: FitModel,
    refused: ArrayLike | None = None,
    **more: ArrayLike | None,
) -> tuple[PartitionFits, ...]:
    """Fit every window and selection in each partition into folds.

    Parameters and errors are those of `statistical_step`.

    Examples
    --------
    >>> from overdensity.stats import count_patterns, log_edges
    >>> edges = log_edges(2500, 6000, 32)
    >>> mass = 2500 / np.random.default_rng(1).random(5000) ** 0.2
    >>> events = count_patterns(mass, (np.arange(5000) % 10 == 0)[:, None] * 1, edges)
    >>> (fits,) = fit_partitions([events], [edges[[8, 14]]], [0.1], model=FitModel("dijet3"))
    >>> fits.counted.tolist(), fits.log_p.shape
    ([False, True], (2,))
    """
    if not parts:
        msg = "a search needs the selections of at least one partition into folds"
        raise InputError(msg)
    every = [None] * len(parts) if refused is None else _of_each(refused, len(parts))
    return tuple(
        _fitted(part, windows, efficiencies, model=model, refused=of_part, **more)
        for part, of_part in zip(parts, every, strict=True)
    )


def _fitted(
    patterns: Patterns,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    *,
    model: FitModel,
    refused: ArrayLike | None,
    searched: ArrayLike | None = None,
    **more: ArrayLike | None,
) -> PartitionFits:
    """Fit a partition.

    The background-only hypothesis hides the window of the smallest p-value, spectra apart that are
    refused or contradicted, or did not converge.
    """
    fits = scan(patterns, windows, efficiencies, model=model, searched=searched, **more)
    counted = np.ones(fits.shape, dtype=bool)
    counted[:, 0] = float(efficiencies[0]) == 1.0 and model.background == "function"
    if searched is not None:
        counted &= np.asarray(searched, dtype=bool)[:, None]
    counted, sculpted, data = counted.ravel(), _checked_refused(refused, fits), fits.fits
    moved = contradicted(fits.observed, data.expected[0], data.error[0], n_levels=fits.shape[1])
    among = counted & ~(sculpted | moved) & data.converged[0]
    hidden = int(np.where(among, fits.log_p, 0.0).argmin()) // fits.shape[1]
    return PartitionFits(
        patterns=patterns,
        scan=hiding(fits, hidden),
        model=model,
        counted=counted,
        refused=sculpted,
        contradicted=moved & ~sculpted,
    )


@dataclass(frozen=True, eq=False)
class PartitionFits:
    """Fits of a scan, with what each spectrum may be used for.

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

    def hiding(self, window: int) -> Self:
        """Return the fits with a background-only hypothesis that does not see another window."""
        if window == self.scan.hidden:
            return self
        return replace(self, scan=hiding(self.scan, window))

    @property
    def log_p(self) -> Array:
        """Local p-values of the data, logarithms, shape (n_spectra,)."""
        return self.scan.log_p

    @cached_property
    def z(self) -> Array:
        """Local significances of the data, shape (n_spectra,)."""
        return z_of_log_p(self.log_p)

    @property
    def may_count(self) -> NDArray[np.bool_]:
        """Which fits converged and are neither refused nor contradicted, shape (n_spectra,)."""
        return self.scan.fits.converged[0] & ~(self.refused | self.contradicted)

    @property
    def _spurious(self) -> Array:
        """Spurious signal in events, shape (n_spectra,)."""
        return self.scan.spurious * self.scan.fits.expected[0]

    def flagged(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which spectra of the data may not be quoted, shape (n_spectra,)."""
        return self.badly_fitted(toys) | ~self.may_count

    def badly_fitted(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which fits of the data do not describe their sidebands, shape (n_spectra,)."""
        return np.less(toys.goodness(self.scan.fits.deviance[0]), self.model.gof_threshold)

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
                z_local=None if flagged[k] else float(self.z[k]),
                chi2=float(fits.deviance[0, k]),
                ndf=int(tested[k] - n_par.flat[k]),
                fit_p_value=float(goodness[k]),
                flagged=bool(flagged[k]),
                refused=bool(self.refused[k] or self.contradicted[k]),
                searched=bool(self.counted[k]),
            )
            for k in range(flagged.size)
        ]

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


class Alone(NamedTuple):
    """What one partition of several says on its own.

    Attributes
    ----------
    z_local : tuple of tuple of float or None
        Local significances by window and selection; None where they may not be quoted.
    largest_z, p_global : float or None
        Of its most significant selection; None where there is none.
    """

    z_local: tuple[tuple[float | None, ...], ...]
    largest_z: float | None
    p_global: float | None


def alone_in(fits: PartitionFits, toys: Toys, smallest: Array, has_null: bool) -> Alone:  # noqa: FBT001
    """Return what a partition says on its own.

    Parameters
    ----------
    fits : PartitionFits
        The partition.
    toys : Toys
        Pseudo-experiments, which tell what it may quote.
    smallest : ndarray of shape (n,)
        Their smallest local p-values.
    has_null : bool
        Whether there is a background-only hypothesis; without one nothing is searched.
    """
    flagged = fits.flagged(toys)
    shown = [None if bad else z for bad, z in zip(flagged, fits.z.tolist(), strict=True)]
    width = fits.scan.shape[1]
    z_local = tuple(tuple(shown[i : i + width]) for i in range(0, len(shown), width))
    use = fits.counted & ~flagged & has_null
    if not use.any():
        return Alone(z_local, None, None)
    k = int(np.where(use, fits.log_p, np.inf).argmin())
    return Alone(z_local, float(fits.z[k]), global_p(fits.scan.p_local[k], smallest).p_global)


def _of_each(refused: ArrayLike, n_repeats: int) -> NDArray[np.bool_]:
    """Return what is refused in each partition; what is given once is so in all."""
    given = np.asarray(refused, dtype=bool)
    if given.ndim == 2:
        return np.repeat(given[None], n_repeats, axis=0)
    if len(given) != n_repeats:
        msg = f"refused is of {len(given)} partitions into folds, and the levels are of {n_repeats}"
        raise InputError(msg)
    return given


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
