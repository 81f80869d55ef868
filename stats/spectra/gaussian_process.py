"""A Gaussian process as background: a dijet function times a smooth correction of any shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, xlogy

from ...core import FitError, InputError, Record
from .batch_fit import fit_free
from .functions import Basis, basis
from .poisson import checked_counts
from .predictions import check_filled, checked_mask, prediction

__all__ = ["ProcessFit", "fit_process"]

Array = NDArray[np.float64]

_FREEDOM = 10.0
"""Prior standard deviation of each parameter of the function: free, where there are events."""

_TOYS = 200
_MAX_STEPS = 100


@dataclass(frozen=True)
class ProcessFit(Record):
    """A spectrum with a Gaussian process as its background.

    Attributes
    ----------
    function : str
        The function that the process corrects.
    edges : tuple of float
        Bin edges, GeV.
    counts : tuple of int
        Events in each bin.
    masked : tuple of bool
        Bins kept out of the fit.
    amplitude : float
        Standard deviation of the correction, of the logarithm of the spectrum.
    length : float
        Correlation length of the correction, in the logarithm of the mass.
    log_evidence : float
        Logarithm of the marginal likelihood, by Laplace's approximation.
    log_evidence_without : float
        The same at the smallest amplitude: the function alone.
    expected, expected_error : tuple of float
        Background in each bin, and its error.
    covariance : tuple of tuple of float
        Covariance of ``expected``, all bins against all bins.
    observed : int
        Events in the masked bins.
    total, total_error : float
        Background in the masked bins, and its error.
    chi2, effective_ndf : float
        Poisson deviance over the fitted bins, and their number less the trace of the matrix that
        smooths them.
    p_value : float
        Goodness of fit: fraction of 200 pseudo-experiments, fitted with the same amplitude and
        length, with a larger deviance.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> found = fit_process(edges, counts, seed=1)
    >>> len(found.expected), found.function
    (16, 'dijet3')
    """

    function: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    masked: tuple[bool, ...]
    amplitude: float
    length: float
    log_evidence: float
    log_evidence_without: float
    expected: tuple[float, ...]
    expected_error: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    observed: int
    total: float
    total_error: float
    chi2: float
    effective_ndf: float
    p_value: float


def fit_process(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    masked: ArrayLike | None = None,
    function: str = "dijet3",
    amplitudes: tuple[float, float] = (1e-3, 1.0),
    lengths: tuple[float, float] = (0.15, 2.0),
    seed: int = 0,
) -> ProcessFit:
    r"""Fit a Gaussian process to a spectrum.

    The expectation of a bin is that of a dijet function times a smooth correction,
    :math:`\lambda_i = b_i e^{g_i}`, with a Gaussian prior of :math:`g` of covariance

    .. math:: k(m, m') = A^2 \exp\left(-\frac{(\ln m - \ln m')^2}{2 \ell^2}\right)
              + \sum_k s^2\, x_k(m)\, x_k(m').

    The first term lets the spectrum depart from the function over distances proportional to the
    mass, as the kernel of Frate et al. whose length grows linearly with it (arXiv:1709.05681);
    acting on the logarithm, it needs no falling amplitude. The second frees the parameters of the
    function, whose columns are :math:`x_k`, with :math:`s = 10`. Counts are Poisson (a
    log-Gaussian Cox process, arXiv:2508.11740); the posterior is found by Newton's method and
    approximated by Laplace's (Rasmussen and Williams 2006, §3.4), as is the marginal likelihood
    that is maximised for :math:`A` and :math:`\ell` over the bins not masked. The error does not
    include that of :math:`A` and :math:`\ell`; where the spectrum bends over distances shorter than
    the least length, as at a trigger threshold, it is too small.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_bins,)
        Events in each bin.
    masked : array_like of bool, shape (n_bins,), optional
        Bins kept out of the fit, in which the background is predicted.
    function : str
        Function that is corrected (`background_functions`).
    amplitudes, lengths : (float, float)
        Range of :math:`A` and :math:`\ell`. A length below the width of a resonance would let the
        background follow it.
    seed : int
        Seed of the pseudo-experiments for the goodness of fit.

    Returns
    -------
    ProcessFit

    Raises
    ------
    InputError
        If counts or ranges cannot be used.
    FitError
        If too few bins have events, or the fit does not converge.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> inside = (edges[:-1] > 3200) & (edges[1:] < 3900)
    >>> found = fit_process(edges, counts, masked=inside)
    >>> bool(abs(found.total - found.observed) < 3 * found.total_error)
    True
    """
    model = basis(function, edges)
    counts = checked_counts(counts, model.edges)
    mask = checked_mask(masked, counts.size)
    check_filled(counts, mask, function, model.n_parameters)
    _check_ranges(amplitudes=amplitudes, lengths=lengths)
    used = ~mask
    baseline, columns = _baseline(model, counts, mask)
    process = _Process(baseline, columns, np.log(model.edges[:-1] * model.edges[1:]) / 2, used)
    amplitude, length = _hyperparameters(process, counts, amplitudes, lengths)
    features = process.features(amplitude, length)
    best = process.posterior(features, counts)
    expected = baseline * np.exp(features @ best.weights)
    spread = features @ best.covariance @ features.T
    covariance = np.outer(expected, expected) * spread
    chi2 = float(_deviance(counts, expected)[used].sum())
    thrown = np.random.default_rng(seed).poisson(expected, (_TOYS, counts.size))
    toys = [_deviance(one, process.refitted(features, one))[used].sum() for one in thrown]
    return ProcessFit(
        function=function,
        counts=tuple(counts.astype(int).tolist()),
        **prediction(model.edges, mask, expected, covariance),
        amplitude=amplitude,
        length=length,
        log_evidence=best.log_evidence,
        log_evidence_without=process.log_evidence(amplitudes[0], length, counts),
        observed=int(counts[mask].sum()),
        chi2=chi2,
        effective_ndf=float(used.sum() - (expected * np.diag(spread))[used].sum()),
        p_value=(1 + int((np.array(toys) >= chi2).sum())) / (1 + _TOYS),
    )


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Laplace's approximation: mode and covariance of the weights of the features."""

    weights: Array
    covariance: Array
    log_evidence: float


@dataclass(frozen=True, eq=False)
class _Process:
    """The process as a sum of features with standard normal weights, K = features featuresᵀ.

    So no large kernel is subtracted from another for the covariance of a prediction.
    """

    baseline: Array
    columns: Array
    log_mass: Array
    used: NDArray[np.bool_]

    def features(self, amplitude: float, length: float) -> Array:
        """Return the features in each bin, shape (n_bins, n_features)."""
        apart = (self.log_mass[:, None] - self.log_mass) / length
        values, vectors = np.linalg.eigh(np.exp(-(apart**2) / 2))
        kept = values > 1e-10 * values[-1]
        smooth = amplitude * vectors[:, kept] * np.sqrt(values[kept])
        return np.hstack([_FREEDOM * self.columns, smooth])

    def posterior(self, features: Array, counts: Array) -> _Posterior:
        """Return the posterior; FitError where Newton's method does not converge."""
        weights, converged = self._mode(features, counts)
        if not converged:
            msg = (
                f"the Gaussian process of {int(counts[self.used].sum())} events does not converge: "
                "use a narrower range of masses, or smaller amplitudes"
            )
            raise FitError(msg)
        mean = (self.baseline * np.exp(features @ weights))[self.used]
        n, phi = counts[self.used], features[self.used]
        hessian = np.eye(weights.size) + (phi.T * mean) @ phi
        log_likelihood = (n * np.log(mean) - mean - gammaln(n + 1)).sum()
        log_prior = -(weights @ weights) / 2 - np.linalg.slogdet(hessian)[1] / 2
        covariance: Array = np.linalg.inv(hessian).astype(np.float64)
        return _Posterior(weights, covariance, float(log_likelihood + log_prior))

    def log_evidence(self, amplitude: float, length: float, counts: Array) -> float:
        """Return the logarithm of the marginal likelihood."""
        return self.posterior(self.features(amplitude, length), counts).log_evidence

    def refitted(self, features: Array, counts: Array) -> Array:
        """Return the expectation fitted to other counts, shape (n_bins,)."""
        return self.baseline * np.exp(features @ self._mode(features, counts)[0])

    def _mode(self, features: Array, counts: Array) -> tuple[Array, bool]:
        """Maximise the posterior of the weights by Newton's method with step halving."""
        phi, baseline, n = features[self.used], self.baseline[self.used], counts[self.used]
        weights, last = np.zeros(features.shape[1]), np.inf
        step = weights
        for _ in range(_MAX_STEPS):
            with np.errstate(over="ignore"):
                mean = baseline * np.exp(phi @ weights)
            loss = (mean - n * (phi @ weights)).sum() + weights @ weights / 2
            if not loss <= last + 1e-11 * (1 + abs(last)):
                step = step / 2
                weights = weights - step
                continue
            gradient = phi.T @ (n - mean) - weights
            step = np.linalg.solve(np.eye(weights.size) + (phi.T * mean) @ phi, gradient)
            if gradient @ step < 1e-9:
                return weights, True
            last, weights = loss, weights + step
        return weights, False


def _hyperparameters(
    process: _Process,
    counts: Array,
    amplitudes: tuple[float, float],
    lengths: tuple[float, float],
) -> tuple[float, float]:
    """Maximise the marginal likelihood: on a grid, then from its best point."""
    bounds = np.log([amplitudes, lengths])
    (low_a, high_a), (low_l, high_l) = bounds
    grid = [(a, b) for a in np.linspace(low_a, high_a, 7) for b in np.linspace(low_l, high_l, 5)]

    def loss(logs: tuple[float, float] | Array) -> float:
        return -process.log_evidence(float(np.exp(logs[0])), float(np.exp(logs[1])), counts)

    start = min(grid, key=loss)
    best = minimize(loss, start, bounds=bounds, method="L-BFGS-B", options={"maxiter": 30})
    logs = best.x if best.fun <= loss(start) else start
    return float(np.exp(logs[0])), float(np.exp(logs[1]))


def _baseline(model: Basis, counts: Array, mask: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Fit the function alone; returns its bin contents and their logarithmic derivatives."""
    fits = fit_free(model, counts, mask[None])
    if not fits.converged[0, 0]:
        msg = (
            f"the {model.name} fit of {int(counts.sum())} events does not converge; "
            "use fewer parameters or a narrower range"
        )
        raise FitError(msg)
    expected = model.expected(fits.theta[0, 0])
    return expected, model.jacobian(fits.theta[0, 0]) / expected[:, None]


def _deviance(counts: Array, expected: Array) -> Array:
    """Return twice the log-likelihood ratio of each bin to the saturated model."""
    return 2 * (expected - counts + xlogy(counts, counts / expected))


def _check_ranges(**ranges: tuple[float, float]) -> None:
    """Refuse ranges of hyperparameters that cannot be used."""
    for what, (low, high) in ranges.items():
        if not 0 < low < high < np.inf:
            msg = f"the range of {what} must be positive and increasing, got {low:g} to {high:g}"
            raise InputError(msg)
