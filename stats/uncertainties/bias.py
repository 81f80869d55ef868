r"""Every function generates, every function fits: by how much the fitted yield of a signal is off.

The pull of a fit is :math:`(\hat S - S) / \sigma_{\hat S}`; its mean over pseudo-experiments is the
bias in units of the error that is quoted. In quadrature, one of 0.2 widens an interval by 2 %,
:math:`\sqrt{1 + 0.2^2} - 1`. Background functions are chosen by criteria of this kind in the search
for Higgs bosons that decay to photons (CMS, arXiv:1407.0558).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError, Record
from ..spectra.batch_fit import Fits, Problem, fit_free, refit
from ..spectra.binning import gaussian_fractions
from ..spectra.functions import Basis, basis, n_parameters
from ..spectra.poisson import checked_counts, seed_theta
from ..spectra.spectrum import fit
from ..spectra.spurious import fit_outside, spurious_signal

__all__ = ["BiasCell", "FunctionBias", "bias_flags", "bias_matrix", "function_bias"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BiasCell(Record):
    """One function fitted to pseudo-experiments of another.

    Attributes
    ----------
    generates, fits : str
        The two functions.
    events : float
        Background events of a pseudo-experiment.
    injected : float
        Signal, in errors of its yield where the generating function is fitted.
    pull, pull_error : float
        Mean pull of the yield, of the mass where its size is largest, and its statistical error.
    mass : float
        That mass, GeV.
    width : float
        Standard deviation of the pulls there.
    failed : float
        Fraction of fits that did not converge, of all masses.

    Examples
    --------
    >>> BiasCell("dijet3", "ua2", 4e4, 0.0, 0.1, 0.03, 3500.0, 1.0, 0.0).pull
    0.1
    """

    generates: str
    fits: str
    events: float
    injected: float
    pull: float
    pull_error: float
    mass: float
    width: float
    failed: float


def bias_matrix(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    functions: Sequence[str],
    masses: ArrayLike,
    events: Sequence[float] = (4e4, 1e6),
    injected: Sequence[float] = (0.0, 2.0, 5.0),
    relative_width: float = 0.04,
    toys: int = 1000,
    seed: int = 0,
) -> list[BiasCell]:
    """Fit every function to pseudo-experiments of every function.

    Parameters
    ----------
    edges, counts : array_like of shape (n_bins + 1,), (n_bins,)
        Bin edges in GeV, and the spectrum that the generating functions are fitted to; weights
        are welcome.
    functions : sequence of str
        Background functions.
    masses : array_like of shape (n_masses,)
        Where a Gaussian signal is put, one at a time, GeV.
    events : sequence of float
        Background events of a pseudo-experiment.
    injected : sequence of float
        Sizes of the signal, in errors of its yield.
    relative_width : float
        Standard deviation of the signal as a fraction of its mass.
    toys : int
        Pseudo-experiments of each mass.
    seed : int
        Their seed.

    Returns
    -------
    list of BiasCell
        For every number of events, signal, generating and fitting function.

    Raises
    ------
    InputError
        If there are no functions, masses or toys, or a function has too few bins.
    FitError
        If a function cannot be fitted to the spectrum.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges, counts = log_edges(2632, 6000, 16), 5000 * 0.7 ** np.arange(16)
    >>> (cell,) = bias_matrix(edges, counts, functions=["dijet3"], masses=[3500], events=[4e4],
    ...                       injected=[0.0], toys=200)
    >>> abs(cell.pull) < 4 * cell.pull_error, 0.8 < cell.width < 1.2
    (True, True)
    """
    bins, at = np.asarray(edges, dtype=float), np.atleast_1d(np.asarray(masses, dtype=float))
    if not functions or not at.size or toys < 2:
        msg = "a bias matrix needs functions, masses, and at least two pseudo-experiments of each"
        raise InputError(msg)
    for name in functions:
        if n_parameters(name) + 1 >= bins.size - 1:
            msg = (
                f"{name} and a signal have {n_parameters(name) + 1} parameters, and the spectrum has "
                f"{bins.size - 1} bins: give more bins (scan.bins, fit.bins_per_bin)"
            )
            raise InputError(msg)
    spectrum = checked_counts(counts, bins)
    signal = gaussian_fractions(bins, at[:, None], relative_width * at[:, None])
    cells = []
    for number in events:
        scaled = spectrum * number / spectrum.sum()
        shapes = {name: _expected(basis(name, bins), scaled) for name in functions}
        for g, (name, expected) in enumerate(shapes.items()):
            fitters = {other: _fitter(basis(other, bins), expected, signal) for other in functions}
            error = fitters[name].errors
            for k, size in enumerate(injected):
                rng = np.random.default_rng([seed, g, k, int(number)])
                yields = size * error
                mean = expected + yields[:, None] * signal
                thrown = rng.poisson(mean, (toys, *signal.shape)).astype(np.float64)
                for other in functions:
                    cell = fitters[other].cell(thrown, yields)
                    cells.append(
                        replace(
                            cell,
                            generates=name,
                            fits=other,
                            events=float(number),
                            injected=float(size),
                            mass=float(at[int(cell.mass)]),
                        )
                    )
    return cells


@dataclass(frozen=True, eq=False)
class _Fitter:
    """Fits of one function and a signal at each mass."""

    problem: Problem
    errors: Array

    def cell(self, thrown: Array, yields: Array) -> BiasCell:
        """Return the pulls of the yields; the mass is an index."""
        found = refit(self.problem, thrown)
        pulls = (found.theta[:, :, -1] - yields) / found.strength_error
        pulls[~found.converged] = np.nan
        mean, spread = np.nanmean(pulls, axis=0), np.nanstd(pulls, axis=0)
        k = int(np.abs(mean).argmax())
        used = max(int(found.converged[:, k].sum()), 1)
        return BiasCell(
            generates="",
            fits="",
            events=0.0,
            injected=0.0,
            pull=float(mean[k]),
            pull_error=float(spread[k] / np.sqrt(used)),
            mass=float(k),
            width=float(spread[k]),
            failed=float(1 - found.converged.mean()),
        )


def _fitter(model: Basis, expected: Array, signal: Array) -> _Fitter:
    """Prepare fits that start at what is expected, and find the errors of the yields there."""
    n, none = len(signal), np.zeros(signal.shape, dtype=bool)
    start = np.tile(np.r_[seed_theta(model, expected), 0.0], (n, 1))
    free = np.zeros(start.shape)
    problem = Problem(model, none, ~none, start, free, free, np.ascontiguousarray(signal))
    found = refit(problem, np.tile(expected, (1, n, 1)))
    _check_converged(model, found)
    return _Fitter(replace(problem, start=found.theta[0]), found.strength_error[0])


def _expected(model: Basis, counts: Array) -> Array:
    """Return a function fitted to a spectrum."""
    found = fit_free(model, counts, np.zeros((1, counts.size), dtype=bool))
    _check_converged(model, found)
    return model.expected(found.theta[0, 0])


def _check_converged(model: Basis, found: Fits) -> None:
    """Raise FitError where a fit has not found its maximum."""
    if not found.converged.all():
        msg = f"the {model.name} fit does not converge: its bias cannot be told; leave it out"
        raise FitError(msg)


@dataclass(frozen=True)
class FunctionBias(Record):
    """What a function makes of spectra that others describe as well.

    Attributes
    ----------
    function : str
        That of the search.
    others : tuple of str
        Those that describe the data, too.
    pull : tuple of float
        For each window, the mean pull of its excess: of the other function where its size is
        largest.
    fraction : tuple of float
        The bias as a fraction of the background where the pull exceeds the threshold, else 0.
    threshold : float
        That pull.

    Examples
    --------
    >>> FunctionBias("dijet4", ("ua2",), (0.3, 0.1), (0.01, 0.0), 0.2).largest
    0.3
    """

    function: str
    others: tuple[str, ...]
    pull: tuple[float, ...]
    fraction: tuple[float, ...]
    threshold: float

    @property
    def largest(self) -> float:
        """The largest pull of all windows."""
        return max(map(abs, self.pull), default=0.0)


def function_bias(
    edges: ArrayLike,
    counts: ArrayLike,
    windows: ArrayLike,
    *,
    function: str,
    others: Sequence[str],
    threshold: float = 0.2,
    goodness: float = 0.05,
) -> FunctionBias:
    r"""Measure the bias of a function against others that describe the data.

    For each window, the other function is fitted outside, and the function of the search to what
    that expects outside: the mean pull of its excess is

    .. math:: \frac{b_g - b_f}{\sqrt{b_f + \sigma_f^2}},

    without pseudo-experiments, since the pull is linear in what is thrown. A signal in the window
    is in neither fit.

    Parameters
    ----------
    edges, counts : array_like of shape (n_bins + 1,), (n_bins,)
        Bin edges in GeV, and the unselected events.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each, GeV, on bin edges.
    function : str
        That of the search.
    others : sequence of str
        Those to be tried.
    threshold : float
        Pull from which on the bias is an uncertainty.
    goodness : float
        Goodness of fit below which another function does not describe the data.

    Returns
    -------
    FunctionBias

    Raises
    ------
    FitError
        If a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> found = function_bias(edges, counts, [(edges[4], edges[7])], function="dijet4",
    ...                       others=["dijet3"])
    >>> found.fraction  # dijet4 contains dijet3
    (0.0,)
    """
    bins, spectrum = np.asarray(edges, dtype=float), checked_counts(counts, edges)
    regions = np.asarray(windows, dtype=float).reshape(-1, 2)
    pull, fraction, used = np.zeros(len(regions)), np.zeros(len(regions)), []
    for name in others:
        if name == function or fit(bins, counts, function=name).p_value < goodness:
            continue
        used.append(name)
        other = basis(name, bins)
        outside = fit_outside(other, spectrum, regions)
        for w, (region, theta) in enumerate(zip(regions, outside.theta[0], strict=True)):
            truth = other.expected(theta)
            found = spurious_signal(bins, truth, [region], function=function, guard=0)
            if abs(found.z[0]) > abs(pull[w]):
                pull[w], fraction[w] = found.z[0], abs(found.misprediction[0])
    return FunctionBias(
        function=function,
        others=tuple(used),
        pull=tuple(pull.tolist()),
        fraction=tuple(np.where(np.abs(pull) > threshold, fraction, 0.0).tolist()),
        threshold=threshold,
    )


def bias_flags(
    edges: ArrayLike,
    counts: ArrayLike,
    windows: ArrayLike,
    *,
    function: str,
    wanted: str,
    counted: Sequence[str] = (),
) -> tuple[str, ...]:
    """Say where a function is biased, if the spectrum asks for one with more parameters.

    Parameters
    ----------
    edges, counts, windows, function
        As in `function_bias`.
    wanted : str
        What the F-test asks for (`overdensity.stats.choose_function`).
    counted : sequence of str
        Functions whose bias is a nuisance of the search: nothing is said of these.

    Returns
    -------
    tuple of str
        A sentence, or none.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> bias_flags(edges, counts, [(edges[4], edges[7])], function="dijet5", wanted="dijet3")
    ()
    """
    if wanted in counted or n_parameters(wanted) <= n_parameters(function):
        return ()
    regions = np.asarray(windows, dtype=float).reshape(-1, 2)
    try:
        found = function_bias(edges, counts, regions, function=function, others=[wanted])
    except FitError:
        return ()
    if not any(found.fraction):
        return ()
    worst = int(np.argmax(np.abs(found.pull)))
    low, high = regions[worst]
    flag = (
        f"the F-test asks for {wanted} in place of {function}; if that is right, {function} makes up to "
        f"{found.pull[worst]:+.1f}σ of nothing ({low:.0f}-{high:.0f} GeV, all events): choose it, or name it in "
        "uncertainties.functions (a strong signal can be the cause)"
    )
    return (flag,)
