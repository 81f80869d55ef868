"""One selected spectrum with its fit, and the peak in it, by the model of the scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core import FitError
from ..spectra.pass_fit import efficiency, odds_covariance, selected_background
from ..spectra.poisson import deviance
from ..spectra.predictions import prediction
from ..spectra.resonance import Resonance, fit_resonance
from ..spectra.spectrum import SpectrumFit
from .scan_fits import fit_scan
from .scanning import Scan

__all__ = ["selected_peak", "selected_spectrum"]

Array = NDArray[np.float64]

_TOYS = 1000


def selected_spectrum(scan: Scan, k: int, *, seed: int) -> SpectrumFit:
    """Return a selected spectrum with its fit and all errors.

    Parameters
    ----------
    scan : Scan
        The scan.
    k : int
        Number of the spectrum.
    seed : int
        Seed of the pseudo-experiments for the goodness of fit.

    Returns
    -------
    SpectrumFit
        The parameters are those of the fit before selection.

    Raises
    ------
    FitError
        If the fit did not converge.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> found = selected_spectrum(fits, 1, seed=1)
    >>> bool(np.isclose(found.total, fits.fits.expected[0, 1])), found.ndf
    (True, 8)
    """
    problem, (window, selection) = scan.problem, divmod(k, scan.shape[1])
    if not scan.fits.converged[0, k]:
        msg = f"the fit of a selection of {scan.efficiencies[selection]:g} does not converge"
        raise FitError(msg)
    theta, odds = scan.fits.theta[0, window], scan.fits.odds[0, window, selection - 1]
    mask, counts, total = problem.masked[k], scan.counts[k], scan.counts[k - selection]
    before, kept = problem.basis.expected(theta), efficiency(problem.columns, odds)
    slopes = kept[:, None] * problem.basis.jacobian(theta)
    expected, sloping, variance = before * kept, before * kept * (1 - kept), np.zeros(before.size)
    if problem.background == "transfer":
        ratio = kept / (1 - kept)
        expected = sloping = ratio * (total - counts)
        variance = ratio**2 * np.maximum(total - counts, 1.0)
    odds_slopes = sloping[:, None] * problem.columns
    precision = problem.precision[selection - 1]
    of_odds = odds_covariance(problem.columns, kept, np.where(mask, 0.0, total), precision)
    covariance = slopes @ problem.covariance(theta, window) @ slopes.T
    covariance += odds_slopes @ of_odds @ odds_slopes.T + np.diag(variance)
    chi2 = float(deviance(counts, before * kept)[~mask].sum())  # as of the scan
    rng = np.random.default_rng(seed)
    thrown = rng.poisson(before, (_TOYS, before.size))
    toys = np.stack([thrown, rng.binomial(thrown, kept)], axis=1)
    alone = problem.only(window, selection)
    worse = fit_scan(replace(alone, tested=~alone.masked), toys).deviance[:, 1] >= chi2
    return SpectrumFit(
        function=problem.basis.name,
        counts=tuple(counts.astype(int).tolist()),
        parameters=tuple(problem.basis.physical(theta).tolist()),
        **prediction(problem.basis.edges, mask, expected, covariance),
        observed=int(counts[mask].sum()),
        chi2=chi2,
        ndf=int((~mask).sum()) - odds.size,
        p_value=(1 + int(worse.sum())) / (1 + _TOYS),
        efficiency=tuple(kept.tolist()),
    )


def selected_peak(scan: Scan, k: int) -> Resonance:
    """Fit a peak to all bins of a selected spectrum, at the masses of its window.

    Its background has the freedom that it has in the scan (`selected_background`).

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = np.r_[2632 * rng.random(5000) ** (-1 / 8), rng.normal(3700, 120, 100)]
    >>> passed = (rng.random(5100) < 0.1) | (np.arange(5100) >= 5000)
    >>> patterns = count_patterns(mass, passed[:, None], edges)
    >>> peak = selected_peak(scan(patterns, [(edges[5], edges[8])], (0.1,)), 1)
    >>> bool(abs(peak.mass - 3700) < 60), bool(peak.z > 4)
    (True, True)
    """
    problem, (window, selection) = scan.problem, divmod(k, scan.shape[1])
    theta, odds = scan.fits.theta[0, window], scan.fits.odds[0, window, selection - 1]
    low, high = scan.windows[window].tolist()
    background = selected_background(
        problem.basis,
        theta,
        problem.covariance(theta, window),
        efficiency(problem.columns, odds),
        problem.precision[selection - 1],
    )
    edges = problem.basis.edges
    return fit_resonance(edges, scan.counts[k], low, high, background=background)
