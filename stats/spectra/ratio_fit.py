"""The fit of a smooth ratio of two counted spectra, a Bernstein polynomial of the mass."""

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

__all__ = ["Form", "Link", "RatioFit", "bernstein", "fit_ratio", "of_all", "of_the_rest"]

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

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.ratio_fit import Form, bernstein, of_all
    >>> form = Form(bernstein([1000, 2000, 3000], 0), of_all, 1.0)
    >>> n = np.array([100.0, 300.0])
    >>> fit_ratio(form, n / 4, n, np.zeros(2, bool), seed=1).ndf
    1
    """

    degree: int
    coefficients: tuple[float, ...]
    ratio: tuple[float, ...]
    ratio_error: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    chi2: float
    ndf: int
    p_value: float


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

    Examples
    --------
    >>> bernstein([0.0, 1.0, 2.0], 1).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    edges = checked_edges(edges)
    if degree < 0:
        msg = f"a polynomial has a degree of at least 0, got {degree}"
        raise InputError(msg)
    t = (edges - edges[0]) / (edges[-1] - edges[0])
    tail = binom.sf(np.arange(degree + 1), degree + 1, t[:, None])
    return np.diff(tail, axis=0) / (degree + 1) / np.diff(t)[:, None]


class Link(NamedTuple):
    """Probability of a binomial count for each value of the ratio, and its derivative.

    Examples
    --------
    >>> import numpy as np
    >>> link = of_the_rest(np.array([1.0]))
    >>> link.probability.tolist(), link.slope.tolist()
    ([0.5], [0.25])
    """

    probability: Array
    slope: Array


def of_the_rest(ratio: Array) -> Link:
    """Take the ratio as that of the selected events to the others.

    Examples
    --------
    >>> import numpy as np
    >>> of_the_rest(np.array([1.0, 3.0])).probability.tolist()
    [0.5, 0.75]
    """
    return Link(ratio / (1 + ratio), 1 / (1 + ratio) ** 2)


def of_all(ratio: Array) -> Link:
    """Take the ratio as that of the selected events to all of them.

    Examples
    --------
    >>> import numpy as np
    >>> of_all(np.array([0.25])).probability.tolist()
    [0.25]
    """
    return Link(ratio, np.ones_like(ratio))


@dataclass(frozen=True, eq=False)
class Form:
    """What is fitted: polynomials in each bin, what their sum means, and its largest value.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.ratio_fit import Form, bernstein, of_all
    >>> form = Form(bernstein([1000, 2000, 3000], 0), of_all, 1.0)
    >>> form.values(np.array([[0.25]])).tolist()
    [[0.25, 0.25]]
    """

    design: Array
    link: Callable[[Array], Link]
    highest: float

    @property
    def degree(self) -> int:
        """Degree of the polynomial."""
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


def fit_ratio(
    form: Form, selected: Array, total: Array, mask: NDArray[np.bool_], *, seed: int
) -> RatioFit:
    """Fit the coefficients to the bins not masked.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.ratio_fit import Form, bernstein, of_all
    >>> form = Form(bernstein([1000, 2000, 3000], 0), of_all, 1.0)
    >>> n = np.array([100.0, 300.0])
    >>> fit = fit_ratio(form, np.array([20.0, 80.0]), n, np.zeros(2, bool), seed=1)
    >>> round(fit.ratio[0], 3)
    0.25
    """
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


def _maximise(
    form: Form, k: Array, n: Array, *, tolerance: float
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
    form: Form, c: Array, step: Array, k: Array, n: Array
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


def _covariance(form: Form, c: Array, n: Array) -> Array:
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


def _check_statistics(form: Form, k: Array, n: Array) -> None:
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
