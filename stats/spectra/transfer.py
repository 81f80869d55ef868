"""Smooth ratios of spectra: the transfer factor and the shaping function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record
from .binning import checked_edges
from .poisson import checked_counts
from .predictions import checked_mask, prediction
from .ratio_fit import Form, RatioFit, bernstein, fit_ratio, of_all, of_the_rest

__all__ = ["RatioPrediction", "shaping_function", "transfer_factor"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RatioPrediction(Record):
    """The background of a selection, from another spectrum times a smooth ratio.

    Attributes
    ----------
    edges : tuple of float
        Bin edges, GeV.
    masked : tuple of bool
        Bins kept out of the fit of the ratio.
    fit : RatioFit
        The ratio.
    source : tuple of int
        The spectrum that is multiplied by it.
    expected, expected_error : tuple of float
        Background in each bin; the error is that of the ratio and the Poisson one of the source.
    covariance : tuple of tuple of float
        Covariance of ``expected``.
    total, total_error : float
        Background in the masked bins, and its error.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> found = transfer_factor(edges, counts // 10, counts - counts // 10, degree=1)
    >>> len(found.expected), found.total
    (16, 0.0)
    """

    edges: tuple[float, ...]
    masked: tuple[bool, ...]
    fit: RatioFit
    source: tuple[int, ...]
    expected: tuple[float, ...]
    expected_error: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    total: float
    total_error: float


def transfer_factor(
    edges: ArrayLike,
    selected: ArrayLike,
    rest: ArrayLike,
    *,
    masked: ArrayLike | None = None,
    degree: int = 4,
    seed: int = 0,
) -> RatioPrediction:
    r"""Predict a selected spectrum from the events that were not selected.

    The transfer factor :math:`R(m)`, selected over not selected, is a fourth-order polynomial
    (LHCO §3.7, arXiv:2101.08320), fitted outside the signal region; the prediction is
    :math:`b_i = R_i B_i` with the :math:`B_i` events not selected. Both spectra are Poisson;
    given their sum, the selected one is binomial, which eliminates the unknown shape
    :math:`\lambda_i` of the rest exactly,

    .. math:: S_i \sim \mathrm{Binomial}\left(S_i + B_i, \frac{R_i}{1 + R_i}\right).

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    selected, rest : array_like of shape (n_bins,)
        Events selected (signal-like), and all others (background-like).
    masked : array_like of bool, shape (n_bins,), optional
        The signal region, kept out of the fit.
    degree : int
        Degree of the polynomial.
    seed : int
        Seed of the pseudo-experiments for the goodness of fit.

    Returns
    -------
    RatioPrediction

    Raises
    ------
    InputError
        If the counts are not numbers of events.
    FitError
        If the fitted bins do not fix the ratio.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> inside = (edges[:-1] > 3200) & (edges[1:] < 3900)
    >>> found = transfer_factor(
    ...     edges, counts // 10, counts - counts // 10, masked=inside, degree=1
    ... )
    >>> bool(abs(found.total - (counts // 10)[inside].sum()) < 3 * found.total_error)
    True
    """
    edges = checked_edges(edges)
    selected, rest = checked_counts(selected, edges), checked_counts(rest, edges)
    mask = checked_mask(masked, edges.size - 1)
    form = Form(bernstein(edges, degree), of_the_rest, np.inf)
    fit = fit_ratio(form, selected, selected + rest, mask, seed=seed)
    return _predict(edges, mask, fit, rest)


def shaping_function(
    edges: ArrayLike,
    passed: ArrayLike,
    total: ArrayLike,
    spectrum: ArrayLike,
    *,
    masked: ArrayLike | None = None,
    degree: int = 4,
    seed: int = 0,
) -> RatioPrediction:
    r"""Predict the spectrum after a cut by reshaping the one before it.

    The shaping function :math:`\epsilon(m)` is the ratio of a spectrum after and before the cut
    in a part of the data or a simulation (LHCO §3.4, arXiv:2101.08320), here a polynomial fitted to

    .. math:: n_i \sim \mathrm{Binomial}(N_i, \epsilon_i), \qquad 0 \le \epsilon_i \le 1,

    and the background after the cut is :math:`b_i = \epsilon_i M_i` with the events
    :math:`M_i` before the cut. If the events that pass are compared with the same :math:`M_i`, the
    error is too large by some :math:`\epsilon^2 M_i` in its square.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    passed, total : array_like of shape (n_bins,)
        Events of the part after and before the cut.
    spectrum : array_like of shape (n_bins,)
        Events before the cut where the background is wanted.
    masked, degree, seed
        As in `transfer_factor`; a signal must not shape the function either.

    Returns
    -------
    RatioPrediction

    Raises
    ------
    InputError, FitError
        As in `transfer_factor`, or if more events pass than there are.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> inside = (edges[:-1] > 3200) & (edges[1:] < 3900)
    >>> found = shaping_function(
    ...     edges, counts // 10, counts, 2 * counts, masked=inside, degree=1
    ... )
    >>> bool(abs(found.total - counts[inside].sum() / 5) < 3 * found.total_error)
    True
    """
    edges = checked_edges(edges)
    passed, total = checked_counts(passed, edges), checked_counts(total, edges)
    source = checked_counts(spectrum, edges)
    more = np.flatnonzero(passed > total)
    if more.size:
        msg = (
            f"bin {more[0]} has {passed[more[0]]:g} events after the cut, {total[more[0]]:g} before"
        )
        raise InputError(msg)
    mask = checked_mask(masked, edges.size - 1)
    form = Form(bernstein(edges, degree), of_all, 1.0)
    fit = fit_ratio(form, passed, total, mask, seed=seed)
    return _predict(edges, mask, fit, source)


def _predict(
    edges: Array, mask: NDArray[np.bool_], fit: RatioFit, source: Array
) -> RatioPrediction:
    """Multiply a spectrum by a ratio; an empty bin counts as 0 ± 1 events."""
    ratio = np.array(fit.ratio)
    expected = ratio * source
    covariance = np.outer(source, source) * np.array(fit.covariance)
    covariance += np.diag(ratio**2 * np.maximum(source, 1.0))
    return RatioPrediction(
        fit=fit,
        source=tuple(source.astype(int).tolist()),
        **prediction(edges, mask, expected, covariance),
    )
