r"""The background of one window and its selections, from the events outside its signal region alone.

The smooth function is fitted to the unselected spectrum with the signal region left out, as the
search fits it. A selection is taken to keep the fraction of background that it is named after at
every mass, as calibrated scores do: nothing is trained on the data and nothing is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from ..search.scan_fits import ScanFits, ScanProblem, fit_scan
from ..search.scanning import scan
from ..selection.levels import checked_efficiencies
from ..selection.patterns import Patterns, count_patterns
from ..spectra.binning import window_bins
from ..spectra.fit_model import FitModel
from ..spectra.functions import basis
from ..spectra.poisson import checked_counts
from ..spectra.spurious import fit_outside

__all__ = ["BlindBackground", "blind_background"]

Array = NDArray[np.float64]

_DATASETS = 15  # thrown to see how well a search knows that its selections do not bend: it varies


@dataclass(frozen=True, eq=False)
class BlindBackground:
    """The background-only hypothesis of a scan, as the sidebands of one window tell it.

    Attributes
    ----------
    window : int
        The window whose signal region has not been seen.
    model : FitModel
        How the background is fitted.
    problem : ScanProblem
        The fits of all windows and selections.
    efficiencies : tuple of float
        1 for the unselected spectrum, then the selections from loose to tight.
    counted : ndarray of bool, shape (n_levels,)
        Which of them are searched.
    expected : ndarray of shape (n_bins,)
        Unselected events in each bin, those of the signal region predicted.
    spurious : ndarray of shape (n_windows,)
        Spurious signal of each window, as a fraction of the background.
    """

    window: int
    model: FitModel
    problem: ScanProblem
    efficiencies: tuple[float, ...]
    counted: NDArray[np.bool_]
    expected: Array
    spurious: Array

    @property
    def spectra(self) -> Array:
        """Expectation of the window before and after each selection, shape (n_levels, n_bins)."""
        return np.array(self.efficiencies)[:, None] * self.expected

    @property
    def of_window(self) -> ScanProblem:
        """The fits of the window alone."""
        return self.problem.of_windows(np.arange(self.problem.shape[0]) == self.window)

    @property
    def masked(self) -> NDArray[np.bool_]:
        """The bins of the signal region, shape (n_bins,)."""
        return self.problem.masked[self.window * self.problem.shape[1]]

    def fits(self) -> ScanFits:
        """Return the fits of the window to its own expectation: background and error, one each."""
        return fit_scan(self.of_window, self.spectra[None])

    def throw(
        self,
        n: int,
        rng: np.random.Generator,
        n_windows: int = 1,
        kept: Callable[[Array], Array] | None = None,
    ) -> Array:
        """Throw background-only datasets.

        The selections of different windows are independent: real ones share events, and leave
        fewer trials.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.Generator
            Source of randomness.
        n_windows : int
            Windows, each with selections of its own.
        kept : callable, optional
            Takes the numbers of unselected events, shape (n,), and returns the fractions that the
            selections keep, (n, n_levels); by default those that they are named after.

        Returns
        -------
        ndarray of shape (n, n_windows × n_levels, n_bins)
        """
        n_levels = len(self.efficiencies)
        spectra = np.empty((n, n_windows, n_levels, self.expected.size))
        spectra[:, :, 0] = rng.poisson(self.expected, (n, self.expected.size))[:, None]
        fractions = np.tile(self.efficiencies, (n, 1))
        if kept is not None:
            fractions = kept(spectra[:, 0, 0].sum(axis=1))
        for level in range(1, n_levels):
            of_looser = (fractions[:, level] / fractions[:, level - 1])[:, None, None]
            spectra[:, :, level] = rng.binomial(
                spectra[:, :, level - 1].astype(np.int64), of_looser
            )
        return spectra.reshape(n, n_windows * n_levels, -1)


def blind_background(
    edges: ArrayLike,
    counts: ArrayLike,
    windows: ArrayLike,
    window: int,
    efficiencies: Sequence[float],
    *,
    model: FitModel | None = None,
    spurious: ArrayLike | None = None,
    windowed: bool = True,
    seed: int = 0,
) -> BlindBackground:
    """Fit the unselected spectrum beside the signal region of a window.

    What is in the signal region changes nothing. How well the search will know that its selections
    do not bend the spectrum (``FitModel.efficiency_prior``) is seen in datasets thrown from the fit;
    the median of fifteen is taken.

    Parameters
    ----------
    edges, counts : array_like of shape (n_bins + 1,), (n_bins,)
        Bin edges of the fits in GeV, and the unselected events.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of all signal regions of the search, GeV, on bin edges.
    window : int
        Which of them is looked at.
    efficiencies : sequence of float
        The selections, decreasing; with 1 in front, the unselected spectrum is searched too.
    model : FitModel, optional
        How the background is fitted; by default ``FitModel()``.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal as a fraction of the background.
    windowed : bool
        Whether each window has a score of its own, as of classifiers, or all have one, as of outliers:
        with one, a bend is measured once and known less well (`stats.search.odds_prior`).
    seed : int
        Of what is thrown.

    Returns
    -------
    BlindBackground

    Raises
    ------
    InputError
        If the windows do not lie on bin edges, or the counts are none.
    FitError
        If there are too few events to fit, or the fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> seen = blind_background(edges, counts, [edges[[5, 8]]], 0, [0.1], model=FitModel("dijet3"))
    >>> counts[5:8] *= 2  # a signal in it
    >>> other = blind_background(edges, counts, [edges[[5, 8]]], 0, [0.1], model=FitModel("dijet3"))
    >>> np.array_equal(seen.expected, other.expected), seen.efficiencies
    (True, (1.0, 0.1))
    """
    model, steps = model or FitModel(), checked_efficiencies(efficiencies)
    bins, regions = np.asarray(edges, dtype=float), np.asarray(windows, dtype=float).reshape(-1, 2)
    fraction = np.zeros(len(regions)) if spurious is None else np.asarray(spurious, dtype=float)
    function, masked = basis(model.function, bins), window_bins(bins, regions)[window]
    seen = np.where(masked, 0.0, checked_counts(counts, bins))
    theta = fit_outside(function, seen, regions[[window]]).theta[0, 0]
    expected = function.expected(theta)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(window,)))
    thrown = [
        scan(
            _pseudo_dataset(bins, expected, steps, len(regions), rng, windowed=windowed),
            regions,
            efficiencies,
            model=model,
            spurious=fraction,
        ).problem
        for _ in range(_DATASETS if model.efficiency_prior is None else 1)
    ]
    odds = np.zeros((len(steps), model.efficiency_order + 1))
    odds[:, 0] = logit(steps)
    problem = replace(
        thrown[0],
        start=np.tile(theta, (len(regions), 1)),
        odds=np.tile(odds, (len(regions), 1, 1)),
        precision=np.median([each.precision for each in thrown], axis=0),
    )
    return BlindBackground(
        window=window,
        model=model,
        problem=problem,
        efficiencies=(1.0, *steps),
        counted=np.array([float(efficiencies[0]) == 1.0, *(True for _ in steps)]),
        expected=expected,
        spurious=fraction,
    )


def _pseudo_dataset(
    edges: Array,
    expected: Array,
    steps: Sequence[float],
    n_windows: int,
    rng: np.random.Generator,
    *,
    windowed: bool,
) -> Patterns:
    """Throw events of background, with a score at random for each window or for all."""
    bins = np.repeat(np.arange(expected.size), rng.poisson(expected))
    scores = rng.random((bins.size, n_windows if windowed else 1))
    levels = (scores[:, :, None] < np.asarray(steps)).sum(axis=2)
    middle = (edges[:-1] + edges[1:]) / 2
    return count_patterns(middle[bins], np.broadcast_to(levels, (bins.size, n_windows)), edges)
