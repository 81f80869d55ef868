"""Smooth ratios of spectra: the transfer factor and the shaping function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from scipy.stats import binom

from ...core import FitError, InputError, Record
from .binning import checked_edges
from .spectrum import checked_counts

__all__ = ["RatioFit", "RatioPrediction", "bernstein", "shaping_function", "transfer_factor"]

Array = NDArray[np.float64]

_TOYS = 1000
_MAX_STEPS = 200
_SMALLEST = 1e-12  # of a ratio: where a bin has events, its logarithm must be finite


@dataclass(frozen=True)
class RatioFit(Record):
    """A ratio of two spectra as a Bernstein polynomial of the mass.

    Attributes
    ----------
    degree : int
        Degree of the polynomial.
    coefficients : tuple of float
        Its coefficients, from the lowest mass to the highest, none negative.
    ratio, ratio_error : tuple of float
        The ratio averaged over each bin, and its error.
    covariance : tuple of tuple of float
        Covariance of ``ratio``, all bins against all bins.
    chi2, ndf : float, int
        Binomial deviance over the fitted bins that have events, and their number less that of the
        coefficients.
    p_value : float
        Goodness of fit: fraction of 1000 refitted pseudo-experiments with a larger deviance.
    """

    degree: int
    coefficients: tuple[float, ...]
    ratio: tuple[float, ...]
    ratio_error: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    chi2: float
    ndf: int
    p_value: float


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
    """
    edges = checked_edges(edges)
    selected, rest = checked_counts(selected, edges), checked_counts(rest, edges)
    mask = _checked_mask(masked, edges)
    form = _Form(bernstein(edges, degree), _of_the_rest, np.inf)
    fit = _fit_ratio(form, selected, selected + rest, mask, seed=seed)
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
    masked : array_like of bool, shape (n_bins,), optional
        The signal region, kept out of the fit, so that a signal does not shape the function.
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
        If the counts are not numbers of events, or more events pass than there are.
    FitError
        If the fitted bins do not fix the ratio.
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
    mask = _checked_mask(masked, edges)
    form = _Form(bernstein(edges, degree), _of_all, 1.0)
    fit = _fit_ratio(form, passed, total, mask, seed=seed)
    return _predict(edges, mask, fit, source)


def bernstein(edges: ArrayLike, degree: int) -> Array:
    r"""Return the Bernstein polynomials averaged over bins.

    .. math:: B_k(t) = \binom{n}{k}\, t^k (1 - t)^{n - k}, \qquad
              t = \frac{m - m_\mathrm{low}}{m_\mathrm{high} - m_\mathrm{low}},

    integrated exactly: the integral of :math:`B_k` of degree n is a sum of those of degree n + 1
    (Farouki, CAGD 29 (2012) 379), that is, a binomial tail probability.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    degree : int
        Degree n, at least 0.

    Returns
    -------
    ndarray of shape (n_bins, degree + 1)
        Rows add up to one: a polynomial with coefficients :math:`c_k \ge 0` is nowhere negative,
        and nowhere above the largest of them.
    """
    edges = checked_edges(edges)
    if degree < 0:
        msg = f"a polynomial has a degree of at least 0, got {degree}"
        raise InputError(msg)
    t = (edges - edges[0]) / (edges[-1] - edges[0])
    tail = binom.sf(np.arange(degree + 1), degree + 1, t[:, None])
    return np.diff(tail, axis=0) / (degree + 1) / np.diff(t)[:, None]


class _Link(NamedTuple):
    """Probability of a binomial count for each value of the ratio, and its derivative."""

    probability: Array
    slope: Array


def _of_the_rest(ratio: Array) -> _Link:
    """Take the ratio as that of the selected events to the others."""
    return _Link(ratio / (1 + ratio), 1 / (1 + ratio) ** 2)


def _of_all(ratio: Array) -> _Link:
    """Take the ratio as that of the selected events to all of them."""
    return _Link(ratio, np.ones_like(ratio))


@dataclass(frozen=True, eq=False)
class _Form:
    """What is fitted: polynomials in each bin, what their sum means, and its largest value."""

    design: Array
    link: Callable[[Array], _Link]
    highest: float

    @property
    def degree(self) -> int:
        return self.design.shape[1] - 1

    def values(self, c: Array) -> Array:
        """Return the ratio in each bin, away from where a logarithm ends."""
        return np.clip(c @ self.design.T, _SMALLEST, self.highest - _SMALLEST)

    def loss(self, c: Array, k: Array, n: Array) -> Array:
        """Return the negative log-likelihood of each row."""
        p = self.link(self.values(c)).probability
        return -(k * np.log(p) + (n - k) * np.log1p(-p)).sum(axis=1)

    def slopes(self, c: Array, k: Array, n: Array) -> tuple[Array, Array]:
        """Return gradient and Fisher information of the log-likelihood of each row."""
        p, slope = self.link(self.values(c))
        variance = p * (1 - p)
        gradient = ((k - n * p) * slope / variance) @ self.design
        pairs = self.design[:, :, None] * self.design[:, None, :]
        return gradient, np.tensordot(n * slope**2 / variance, pairs, axes=1)

    def deviance(self, c: Array, k: Array, n: Array) -> Array:
        """Return twice the log-likelihood ratio of each row to one with a free ratio in each bin."""
        p = self.link(self.values(c)).probability
        return 2 * (xlogy(k, k / (n * p)) + xlogy(n - k, (n - k) / (n * (1 - p)))).sum(axis=1)


def _fit_ratio(
    form: _Form, selected: Array, total: Array, mask: NDArray[np.bool_], *, seed: int
) -> RatioFit:
    """Fit the coefficients to the bins not masked."""
    used = ~mask & (total > 0)
    _check_statistics(form, selected[used], total[used])
    fitted = replace(form, design=form.design[used])
    k, n = selected[used][None], total[used][None]
    coefficients, converged = _maximise(fitted, k, n, tolerance=1e-9)
    if not converged[0]:
        msg = (
            f"the fit of a ratio of degree {form.degree} to {int(k.sum())} of {int(n.sum())} events "
            "does not converge: choose a smaller degree"
        )
        raise FitError(msg)
    c = coefficients[0]
    bins = form.design @ _covariance(fitted, c, n[0]) @ form.design.T
    chi2 = float(fitted.deviance(coefficients, k, n)[0])
    probability = form.link(fitted.values(coefficients)).probability
    rng = np.random.default_rng(seed)
    thrown = rng.binomial(n.astype(int), probability, (_TOYS, n.size)).astype(float)
    each = np.broadcast_to(n, thrown.shape)
    toys = fitted.deviance(_maximise(fitted, thrown, each, tolerance=1e-2)[0], thrown, each)
    return RatioFit(
        degree=form.degree,
        coefficients=tuple(c.tolist()),
        ratio=tuple((form.design @ c).tolist()),
        ratio_error=tuple(np.sqrt(np.diag(bins)).tolist()),
        covariance=tuple(tuple(row) for row in bins.tolist()),
        chi2=chi2,
        ndf=int(used.sum()) - form.degree - 1,
        p_value=(1 + int((toys >= chi2 - 1e-9).sum())) / (1 + _TOYS),
    )


def _predict(
    edges: Array, mask: NDArray[np.bool_], fit: RatioFit, source: Array
) -> RatioPrediction:
    """Multiply a spectrum by a ratio; an empty bin counts as 0 ± 1 events."""
    ratio = np.array(fit.ratio)
    expected = ratio * source
    covariance = np.outer(source, source) * np.array(fit.covariance)
    covariance += np.diag(ratio**2 * np.maximum(source, 1.0))
    return RatioPrediction(
        edges=tuple(edges.tolist()),
        masked=tuple(mask.tolist()),
        fit=fit,
        source=tuple(source.astype(int).tolist()),
        expected=tuple(expected.tolist()),
        expected_error=tuple(np.sqrt(np.diag(covariance)).tolist()),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        total=float(expected[mask].sum()),
        total_error=float(np.sqrt(covariance[np.ix_(mask, mask)].sum())),
    )


def _maximise(
    form: _Form, k: Array, n: Array, *, tolerance: float
) -> tuple[Array, NDArray[np.bool_]]:
    """Fit the coefficients to each row of k of n events, by projected Fisher scoring.

    Coefficients that the gradient holds at a bound move along it alone, scaled by their own
    information, so that the projected step goes uphill (Bertsekas, SIAM J. Control Optim. 20
    (1982) 221). Returns them, shape (n_rows, degree + 1), and whether the gain still to be had in
    the log-likelihood came below the tolerance.
    """
    share = (k.sum(axis=1) + 0.5) / (n.sum(axis=1) + 1)
    first = share if np.isfinite(form.highest) else share / (1 - share)
    c = np.repeat(first[:, None], form.degree + 1, axis=1)
    converged, moving = np.zeros(len(k), dtype=bool), np.arange(len(k))
    for _ in range(_MAX_STEPS):
        here, k_here, n_here = c[moving], k[moving], n[moving]
        gradient, info = form.slopes(here, k_here, n_here)
        near = 1e-6 * here.max(axis=1, keepdims=True)
        held = ((here <= near) & (gradient < 0)) | ((here >= form.highest - near) & (gradient > 0))
        diagonal = np.einsum("epp->ep", info) * (1 + 1e-12) + 1e-300
        info = np.where(held[:, :, None] | held[:, None, :], 0.0, info)
        np.einsum("epp->ep", info)[:] = diagonal
        step: Array = np.linalg.solve(info, gradient[..., None])[..., 0].astype(np.float64)
        gain = ((np.clip(here + step, 0.0, form.highest) - here) * gradient).sum(axis=1)
        target, better = _search(form, here, step, k_here, n_here)
        c[moving[better]] = target[better]
        converged[moving[gain < tolerance]] = True
        moving = moving[better & (gain >= tolerance)]
        if not moving.size:
            break
    return c, converged


def _search(
    form: _Form, c: Array, step: Array, k: Array, n: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Return how far to go along each projected step, and whether it leads uphill at all."""
    last = form.loss(c, k, n)
    allowed = last + 1e-11 * (1 + np.abs(last))
    scale, target = np.ones((len(c), 1)), np.clip(c + step, 0.0, form.highest)
    better = form.loss(target, k, n) <= allowed
    for _ in range(40):
        if better.all():
            break
        scale[~better] /= 2
        target = np.clip(c + scale * step, 0.0, form.highest)
        better = form.loss(target, k, n) <= allowed
    return target, better


def _covariance(form: _Form, c: Array, n: Array) -> Array:
    """Return the inverse Fisher information of the coefficients.

    The probability is drawn towards one half by one event, (n p + ½) / (n + 1): where none is
    expected, at a bound, the error would otherwise vanish.
    """
    p, slope = form.link(form.values(c))
    drawn = (n * p + 0.5) / (n + 1)
    weight = n * slope**2 / (drawn * (1 - drawn))
    info = (form.design * weight[:, None]).T @ form.design
    scale = np.sqrt(np.diag(info))
    if scale.min() <= 0 or np.linalg.cond(info / np.outer(scale, scale)) > 1e12:
        msg = (
            f"the fitted bins do not fix a ratio of degree {form.degree}: choose a smaller degree, "
            "or a signal region with bins on either side"
        )
        raise FitError(msg)
    return np.linalg.inv(info / np.outer(scale, scale)) / np.outer(scale, scale)


def _checked_mask(masked: ArrayLike | None, edges: Array) -> NDArray[np.bool_]:
    """Return the mask as an array, or say what is wrong with it."""
    mask = np.zeros(edges.size - 1, bool) if masked is None else np.asarray(masked, dtype=bool)
    if mask.shape != (edges.size - 1,):
        msg = f"masked has shape {mask.shape}, but there are {edges.size - 1} bins: one per bin"
        raise InputError(msg)
    return mask


def _check_statistics(form: _Form, k: Array, n: Array) -> None:
    """Refuse samples in which there is no ratio to fit."""
    if k.size <= form.degree + 1:
        msg = (
            f"only {k.size} fitted bins have events; a ratio of degree {form.degree} needs more than "
            f"{form.degree + 1}: widen the range, or choose a smaller degree"
        )
        raise FitError(msg)
    if not k.any() or (not (n - k).any() and not np.isfinite(form.highest)):
        which = "selected" if not k.any() else "left after the selection"
        msg = f"no events are {which} in the fitted bins: their ratio is not known"
        raise FitError(msg)
