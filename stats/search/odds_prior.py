r"""How far a selection bends the spectrum, as all windows of a search show it.

Calibrated scores should pass the same fraction of background at every mass. What slope and
curvature they leave is seen in all windows and selections at once, and it bounds those of each.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ..p_values.local import local_log_p
from ..selection.patterns import Patterns
from ..spectra.pass_fit import efficiency, odds_covariance
from .scan_fits import ScanProblem, fit_scan

__all__ = ["measured_precision"]

Array = NDArray[np.float64]


def measured_precision(
    problem: ScanProblem, counts: Array, efficiencies: Array, patterns: Patterns
) -> Array:
    r"""Return :math:`1/\sigma^2` of the constraints of the log-odds, measured on the scan itself.

    A score that shifts with the mass by a standard deviations moves the log-odds of a selection by
    :math:`h_\epsilon a`, with :math:`h_\epsilon = \phi(z_\epsilon) / [\epsilon (1 - \epsilon)]`. So
    the coefficients :math:`\delta \pm \sigma` of all windows and selections estimate one variance
    of shifts,

    .. math:: \rho^2 = \max\left[0,\ \langle (\delta^2 - \sigma^2) / h^2 \rangle\right] + \Delta,

    with the weights :math:`w = h^4/\sigma^4` (the inverse variance of what is averaged, where ρ is
    small). Δ is the standard error of the mean: without it, a curvature that happens to be small
    would be taken for one that cannot be large. Selections i and j that pass the same events show the same,

    .. math:: \Delta^2 = 2 \sum_{ij} \sqrt{w_i w_j}\,c_{ij}^2 \Big/ \Big(\sum_i w_i\Big)^2,

    with the correlation :math:`c_{ij}` of passing them (`Patterns.overlaps`), which is that of their
    coefficients; squares of normal variables are correlated by its square. The width
    of a selection is :math:`h_\epsilon \rho`, or what its own windows alone show, if that is larger,

    .. math:: \max\left[0,\ \langle\delta^2 - \sigma^2\rangle\right]
              + (2\bar c^2 - 1)\,\sqrt 2\,\langle\sigma^2\rangle,

    with the mean :math:`\bar c^2` over pairs of different windows. Where windows select different
    events (0), each has a classifier and a bend of its own, which are drawn as those of the looser
    selections are, and only what is a standard error beyond that counts. Where they
    select the same (1), as an outlier score that knows no window does, all have one bend, measured once, and
    it may be one of the tail that the looser selections do not have: it is known to its error only.
    One window alone tells nothing of that, and counts as the former. No width exceeds that of the
    problem. The signal region with the smallest p-value is left out of all windows, with its guard: a signal there is no bend.

    Parameters
    ----------
    problem : ScanProblem
        With wide constraints.
    counts : ndarray of shape (n_spectra, n_bins)
        The data.
    efficiencies : ndarray of shape (n_selections,)
        The selections.
    patterns : Patterns
        The events of these windows.

    Returns
    -------
    ndarray of shape (n_selections, n_coefficients)

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import FitModel, count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> events = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> wide = scan(events, [(edges[5], edges[8])], (0.1,), model=FitModel(efficiency_prior=1.0))
    >>> found = measured_precision(wide.problem, wide.counts, np.array([0.1]), events)
    >>> bool((found[0, 1:] ** -0.5 < 0.5).all())  # narrower than the 1 to begin with
    True
    """
    if not problem.center.size:
        return problem.precision
    n_levels = problem.shape[1]
    first = fit_scan(problem, counts[None])
    observed = (counts * problem.masked).sum(axis=1)
    log_p = local_log_p(observed, first.expected[0], first.error[0])
    log_p[::n_levels] = 0.0  # before selection
    hidden = ~problem.tested[log_p.argmin()]
    odds = fit_scan(replace(problem, masked=np.tile(hidden, (len(counts), 1))), counts[None]).odds[
        0
    ]

    kept, total = efficiency(problem.columns, odds), np.where(hidden, 0.0, counts[0])
    covariance = odds_covariance(problem.columns, kept, total, problem.precision)
    variance = np.einsum("wspp->wsp", covariance)
    beyond = (odds - problem.center) ** 2 - variance

    lever = np.exp(-(ndtri(efficiencies) ** 2) / 2) / np.sqrt(2 * np.pi)
    square = (lever / (efficiencies * (1 - efficiencies)))[:, None] ** 2
    weight = (square / variance) ** 2
    excess = (weight * beyond / square).sum(axis=(0, 1)) / weight.sum(axis=(0, 1))
    same = patterns.overlaps(n_levels - 1, ~hidden) ** 2
    root = np.sqrt(weight).reshape(-1, weight.shape[2])
    error = np.sqrt(2 * np.einsum("ip,ij,jp->p", root, same, root)) / weight.sum(axis=(0, 1))
    own_error = np.sqrt(2) * variance.mean(axis=0)
    own = np.maximum(beyond.mean(axis=0), 0.0) + (2 * _shared(same, odds.shape) - 1) * own_error
    width = np.maximum(square * (np.maximum(excess, 0.0) + error), own)
    precision = np.maximum(1 / width, problem.precision)
    precision[:, 0] = problem.precision[:, 0]  # the mean is what the selection makes it
    return precision


def _shared(same: Array, shape: tuple[int, ...]) -> Array:
    """Return the mean squared overlap of different windows by selection, (n_selections, 1)."""
    n_windows, n_selections, _ = shape
    of_windows = same.reshape(n_windows, n_selections, n_windows, n_selections)
    total = np.einsum("wsvs->s", of_windows)  # each with itself is 1
    return ((total - n_windows) / max(n_windows * (n_windows - 1), 1))[:, None]
