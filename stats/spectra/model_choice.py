"""How many parameters a spectrum needs: the F-test between nested functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ...core import ConfigError, FitError, Record, nearest_names
from .batch_fit import Fits, Problem, refit
from .functions import basis, n_parameters
from .spectrum import SpectrumFit, fit

__all__ = ["TESTS", "FunctionChoice", "FunctionTest", "choose_function"]

TESTS = ("toys", "ratio", "f")
"""Which p-value decides: likelihood ratio with pseudo-experiments or with χ², or F."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FunctionTest(Record):
    """One step: whether a function with more parameters describes the spectrum better.

    Attributes
    ----------
    smaller, larger : str
        The two functions.
    chi2_smaller, chi2_larger : float
        Poisson deviances over the fitted bins.
    ndf_smaller, ndf_larger : int
        Fitted bins less parameters.
    goodness_smaller, goodness_larger : float
        Goodness of fit of either alone (`SpectrumFit.p_value`).
    ratio : float
        Difference of the deviances, twice the logarithm of the likelihood ratio.
    p_ratio : float
        Its p-value by Wilks' theorem.
    p_toys : float
        Its p-value by pseudo-experiments from the smaller function, both refitted.
    f, p_f : float
        F statistic, and its p-value by the F distribution.
    preferred : str
        The function to go on with.
    reason : str
        Why, in a sentence.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> step = choose_function(edges, counts, n_toys=100).tests[0]
    >>> step.smaller, step.larger, step.preferred
    ('dijet3', 'dijet4', 'dijet3')
    """

    smaller: str
    larger: str
    chi2_smaller: float
    chi2_larger: float
    ndf_smaller: int
    ndf_larger: int
    goodness_smaller: float
    goodness_larger: float
    ratio: float
    p_ratio: float
    p_toys: float
    f: float
    p_f: float
    preferred: str
    reason: str


@dataclass(frozen=True)
class FunctionChoice(Record):
    """The function chosen for a spectrum, and every step to it.

    Attributes
    ----------
    function : str
        The choice.
    p_value : float
        Its goodness of fit.
    good : bool
        Whether that is not below the threshold for goodness. Where false, ``flags`` says so.
    tests : tuple of FunctionTest
        The steps, in order.
    test : str
        Which p-value decided (`TESTS`).
    threshold, goodness_threshold : float
        Below which a larger function was preferred, and a fit called bad.
    flags : tuple of str
        What a reader must know; empty when all is well.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> choose_function(edges, counts, n_toys=100).good
    True
    """

    function: str
    p_value: float
    good: bool
    tests: tuple[FunctionTest, ...]
    test: str
    threshold: float
    goodness_threshold: float
    flags: tuple[str, ...]


def choose_function(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    functions: Sequence[str] = ("dijet3", "dijet4", "dijet5"),
    masked: ArrayLike | None = None,
    threshold: float = 0.05,
    goodness_threshold: float = 0.01,
    test: str = "toys",
    n_toys: int = 1000,
    seed: int = 0,
) -> FunctionChoice:
    r"""Choose the function with the fewest parameters that suffices for a spectrum.

    From the smallest on, each function is compared with the next one by the difference of the
    deviances :math:`\Delta = \chi^2_1 - \chi^2_2`, or by

    .. math:: F = \frac{(\chi^2_1 - \chi^2_2) / (k_2 - k_1)}{\chi^2_2 / (n - k_2)},

    which under the smaller function follow a :math:`\chi^2` distribution with
    :math:`k_2 - k_1` degrees of freedom and an F distribution with :math:`(k_2 - k_1, n - k_2)`
    (Fisher; used so by CMS, arXiv:1911.03947); in a spectrum with few events neither holds, and
    pseudo-experiments decide. The larger function is taken where p is below the threshold, or
    where the smaller one alone describes the spectrum badly.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_bins,)
        Events in each bin. A strong resonance asks for more parameters: mask it.
    functions : sequence of str
        Nested functions (`background_functions`), from few to many parameters.
    masked : array_like of bool, shape (n_bins,), optional
        Bins kept out of the fits.
    threshold : float
        p-value of the comparison below which the larger function is taken.
    goodness_threshold : float
        Goodness of fit below which a function is called bad.
    test : str
        Which p-value decides: ``"toys"``, ``"ratio"`` or ``"f"``.
    n_toys : int
        Pseudo-experiments for each comparison.
    seed : int
        Their seed.

    Returns
    -------
    FunctionChoice

    Raises
    ------
    InputError
        If the counts are not numbers of events.
    ConfigError
        If a function or the test is unknown, or the functions do not grow.
    FitError
        If not even the first function can be fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> choose_function(edges, counts, n_toys=100).function
    'dijet3'
    """
    sizes = [n_parameters(name) for name in functions]
    if not sizes or any(np.diff(sizes) <= 0):
        msg = f"functions must go from few to many parameters, got {list(functions)}"
        raise ConfigError(msg)
    if test not in TESTS:
        msg = f"no test {test!r} between functions: {nearest_names(test, TESTS)}"
        raise ConfigError(msg)
    current, steps, flags = (
        fit(edges, counts, masked=masked, function=functions[0], seed=seed),
        [],
        [],
    )
    for place, name in enumerate(functions[1:]):
        try:
            larger = fit(edges, counts, masked=masked, function=name, seed=seed)
        except FitError as error:
            flags.append(f"{name} was not tried: {error}")
            break
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(place,)))
        step = _compare(
            current, larger, threshold, goodness_threshold, test=test, n_toys=n_toys, rng=rng
        )
        steps.append(step)
        if step.preferred == current.function:
            break
        current = larger
    good = current.p_value >= goodness_threshold
    if not good:
        flags.append(
            f"{current.function} does not describe the spectrum (p = {current.p_value:.2g}), and no "
            f"function of {', '.join(functions)} after it was taken: use a narrower range, or "
            "expect spurious excesses"
        )
    return FunctionChoice(
        function=current.function,
        p_value=current.p_value,
        good=good,
        tests=tuple(steps),
        test=test,
        threshold=threshold,
        goodness_threshold=goodness_threshold,
        flags=tuple(flags),
    )


def _compare(
    smaller: SpectrumFit,
    larger: SpectrumFit,
    threshold: float,
    goodness_threshold: float,
    *,
    test: str,
    n_toys: int,
    rng: np.random.Generator,
) -> FunctionTest:
    """Compare two nested fits of the same bins."""
    extra = smaller.ndf - larger.ndf
    ratio = max(smaller.chi2 - larger.chi2, 0.0)
    # with as many parameters as bins, F is not defined: nothing is left to compare with
    f = ratio / extra / (larger.chi2 / larger.ndf) if larger.ndf and larger.chi2 > 0 else 0.0
    p = {
        "toys": _toys_p(smaller, larger, ratio, n_toys, rng),
        "ratio": float(stats.chi2.sf(ratio, extra)),
        "f": float(stats.f.sf(f, extra, larger.ndf)) if larger.ndf else 1.0,
    }
    better, bad = p[test] < threshold, smaller.p_value < goodness_threshold
    if better:
        reason = f"{larger.function} describes it better (p = {p[test]:.2g})"
    elif bad:
        reason = f"{smaller.function} describes it badly (p = {smaller.p_value:.2g})"
    else:
        reason = f"{larger.function} does not describe it better (p = {p[test]:.2g})"
    return FunctionTest(
        smaller=smaller.function,
        larger=larger.function,
        chi2_smaller=smaller.chi2,
        chi2_larger=larger.chi2,
        ndf_smaller=smaller.ndf,
        ndf_larger=larger.ndf,
        goodness_smaller=smaller.p_value,
        goodness_larger=larger.p_value,
        ratio=ratio,
        p_ratio=p["ratio"],
        p_toys=p["toys"],
        f=f,
        p_f=p["f"],
        preferred=larger.function if better or bad else smaller.function,
        reason=reason,
    )


def _toys_p(
    smaller: SpectrumFit, larger: SpectrumFit, ratio: float, n_toys: int, rng: np.random.Generator
) -> float:
    """Return how often the likelihood ratio is as large if the smaller function is the truth."""
    thrown = rng.poisson(smaller.expected, (n_toys, 1, len(smaller.counts)))
    one, two = (_refit_as(which, smaller.parameters, thrown) for which in (smaller, larger))
    usable = (one.converged & two.converged)[:, 0]
    difference = (one.deviance - two.deviance)[usable, 0]
    worse = int((difference >= ratio).sum())
    return (1 + worse) / (1 + int(usable.sum()))


def _refit_as(which: SpectrumFit, parameters: Sequence[float], thrown: NDArray[np.int64]) -> Fits:
    """Fit a function to pseudo-experiments, from the published parameters of a smaller one."""
    model, mask = basis(which.function, which.edges), np.array(which.masked)
    published = np.zeros(model.n_parameters)
    published[: len(parameters)] = parameters
    start: Array = np.linalg.solve(model.transform, published)[None].astype(np.float64)
    free = np.zeros(start.shape)
    return refit(Problem(model, mask[None], ~mask[None], start, free, free), thrown)
