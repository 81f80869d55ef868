r"""The likelihood of the whole range as a pyhf workspace: HistFactory, and nothing else.

HistFactory (CERN-OPEN-2012-016) has factors and no functions. Yet the logarithm of the background
is linear in its parameters, and a ``normsys`` is the power of a factor: with a channel for each bin,

.. math:: b_i(\alpha) = b_i \prod_k \kappa_{ik}^{\alpha_k}, \qquad
    \ln \kappa_{ik} = w_k\, \frac{\partial \ln b_i}{\partial \theta_k},

is the function itself, and not its linearisation, but for the change of the slope within a bin: the
slopes make it exact at the fit with signal and at that without, at which limits are expected. Two
things are approximate. pyhf interpolates :math:`\kappa^\alpha` for :math:`|\alpha| < 1` by a
polynomial of sixth order (its code 4), good to some :math:`|\ln\kappa|^6 / 5040`. And a ``normsys``
has a unit Gaussian constraint, where the parameters of the function have none: their unit
:math:`w_k` is therefore up to 50 of their errors, as far as :math:`|\ln\kappa|` stays below 1, and
no less than 5, so that the constraint tells little beside the data. Sizes are free factors; slope and
curvature of the ratio keep the constraint that the search gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError
from ..limits.profiled import data_of, fit_data
from ..search.hunt_result import HuntResult
from ..spectra.binning import gaussian_fractions
from ..spectra.fit_model import FitModel
from ..spectra.spectrum import SpectrumFit
from .categories import FAILING, UNSEEN, Categories, Variation, categories
from .pieces import (
    LEAST,
    Channel,
    Modifier,
    Sample,
    factor,
    free_scale,
    shape_variation,
    signal,
    workspace,
)

__all__ = [
    "Factors",
    "best_categories",
    "categories_workspace",
    "factors_of",
    "peak_events",
    "spectra_categories",
]

Array = NDArray[np.float64]
Workspace = dict[str, Any]

_MOST_ERRORS, _FEWEST_ERRORS = 50.0, 5.0
_SAME = 1e-6  # square of the distance of two fits, in units of the workspace
_FREE = (1.0, 1e-3, 1e3)  # start and bounds of factors without constraint


@dataclass(frozen=True, eq=False)
class Factors:
    """A likelihood of all bins as factors.

    Attributes
    ----------
    background : ndarray of shape (n_categories, n_bins)
        Where all factors are 1.
    free : dict of str to ndarray of bool, shape (n_categories,)
        Factors without constraint, by name, and the categories they act on.
    log : dict of str to ndarray of shape (n_categories, n_bins)
        ln κ of the others.

    Examples
    --------
    >>> Factors(np.ones((1, 2)), {"background_0": np.array([True])}, {}).background.shape
    (1, 2)
    """

    background: Array
    free: dict[str, NDArray[np.bool_]]
    log: dict[str, Array]


def factors_of(known: Categories) -> Factors:
    """Return the background of a likelihood as factors.

    Examples
    --------
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.workspaces.categories import categories
    >>> counts, peak = np.round(5000 * 0.7 ** np.arange(16)), np.exp(-(np.arange(-6.0, 10) ** 2))
    >>> alone = categories(log_edges(2632, 6000, 16), counts, None, signal=9 * peak,
    ...                    model=FitModel("dijet3"))
    >>> found = factors_of(alone)
    >>> list(found.free), list(found.log)
    (['background_0'], ['background_1', 'background_2'])
    """
    inside, units = slice(1, 1 + known.n_log), _units(known)
    is_free = np.isin(np.arange(known.n_log), [0, known.n_function])
    slopes = _slopes(known, np.where(is_free, 0.0, 1 / units**2))
    free, log = {}, {}
    for k, name in enumerate(known.names[inside]):
        if is_free[k]:
            free[name] = slopes[:, 0, k] != 0
        else:
            log[name] = slopes[..., k] * units[k]
    for name, slope in known.fabricated.items():
        log[name] = np.zeros(known.signal.shape)
        log[name][0] = slope
    from_nominal = np.where(known.precision[inside] > 0, known.best[inside], 0.0)
    at_best = known.background(known.best[None])[0]
    background = np.maximum(at_best * np.exp(-slopes @ from_nominal), LEAST)
    return Factors(background, free, log)


def _slopes(known: Categories, metric: Array) -> Array:
    r"""Return slopes of ln b with which the factors are exact at the fits with signal and without.

    With :math:`\hat\theta` and :math:`\theta_0` the two fits and d from one to the other, the slope
    in the middle between them, and what it misses,

    .. math:: s_i = \nabla \ln b_i\!\left(\tfrac{\hat\theta + \theta_0}{2}\right)
        + \frac{r_i\,W d}{d^T W d}, \qquad
        r_i = \ln\frac{b_i(\theta_0)}{b_i(\hat\theta)} - \nabla \ln b_i \cdot d.

    Parameters
    ----------
    known : Categories
        The likelihood.
    metric : ndarray of shape (n_log,)
        The diagonal W, 0 for factors without constraint, whose slope is 1 everywhere.

    Returns
    -------
    ndarray of shape (n_categories, n_bins, n_log)
    """
    without = fit_data(known, *data_of(known), start=known.best, strength=0.0).theta[0]
    slopes = known.log_slopes((known.best + without) / 2)
    change = (without - known.best)[1 : 1 + known.n_log]
    size = float(metric @ change**2)
    if size < _SAME:
        return slopes
    background = np.maximum(known.background(np.stack([known.best, without])), LEAST)
    missed = np.log(background[1] / background[0]) - slopes @ change
    return slopes + missed[..., None] * (metric * change / size)


def categories_workspace(known: Categories) -> Workspace:
    """Return the pyhf workspace of a likelihood of all bins.

    Channels are the bins, ``pass_00`` to ``fail_31``. Parameters keep their names: ``background_0``
    and ``efficiency_0`` are free factors, 1 at the fit; the others are in units that the fit sets,
    and the constrained ones in units of their constraint.

    Examples
    --------
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.workspaces.categories import categories
    >>> edges = log_edges(2632, 6000, 16)
    >>> failing = np.round(5000 * 0.7 ** np.arange(16))
    >>> peak = 20 * np.exp(-((np.arange(16) - 6.0) ** 2) / 2)
    >>> both = categories(edges, np.round(failing / 50 + peak), failing, signal=peak,
    ...                   model=FitModel("dijet3"))
    >>> model = categories_workspace(both)
    >>> [model["channels"][k]["name"] for k in (0, 31)], len(model["channels"])
    (['pass_00', 'fail_15'], 32)
    """
    found, channels = factors_of(known), []
    observed = known.observed.reshape(found.background.shape)
    for c, category in enumerate(known.categories):
        for i, n in enumerate(observed[c].tolist()):
            samples = [_signal_sample(known, c, i)] if known.signal[c].any() else []
            if known.unseen is not None and category == FAILING:
                unseen = (float(known.unseen[i]),)
                samples.append(Sample(UNSEEN, unseen, (free_scale(UNSEEN),)))
            modifiers = [free_scale(name) for name, acts in found.free.items() if acts[c]]
            modifiers += [
                factor(name, float(np.exp(log[c, i])))
                for name, log in found.log.items()
                if log[c].any()
            ]
            background = (float(found.background[c, i]),)
            samples.append(Sample("background", background, tuple(modifiers)))
            channels.append(Channel(f"{category}_{i:02d}", (n,), tuple(samples)))
    bounds = dict.fromkeys(found.free, _FREE)
    if known.unseen is not None:
        bounds[UNSEEN] = (0.0, 0.0, 1e3)
    return workspace(channels, parameters=bounds)


def best_categories(result: HuntResult, *, model: FitModel) -> Categories:
    """Return the likelihood of all bins for the best window and selection.

    The spurious signal of the row is its only nuisance beside the background's.

    Parameters
    ----------
    result : HuntResult
        The statistical step.
    model : FitModel
        As it was made with.

    Raises
    ------
    FitError
        If the result has no best window, or a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import hunt, log_edges
    >>> import numpy as np
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 8)
    >>> mass = 2632 * rng.random(3000) ** (-1 / 8)
    >>> levels = (rng.random((3000, 1)) < 0.1).astype(int)
    >>> found = hunt(
    ...     mass, levels, edges=edges, windows=[(edges[2], edges[4])],
    ...     efficiencies=(0.1,), model=FitModel("dijet3"), pseudo_experiments=250,
    ... )
    >>> best_categories(found, model=FitModel("dijet3")).categories
    ('pass', 'fail')
    """
    if result.best is None:
        msg = "no window has a fit that may be quoted, so there is no model to write"
        raise FitError(msg)
    window, best = result.windows[result.best.window], result.best
    place = window.place_of(best.efficiency)
    chosen = best.spectra[place]
    peak = best.resonance
    return spectra_categories(
        best.spectra[0],
        None if place == 0 else chosen,
        signal=None
        if chosen is None
        else peak_events(chosen.edges, peak.mass, peak.width, peak.n_signal),
        fabricated={"spurious_signal": window.rows[place].spurious},
        model=model,
        odds_widths=best.odds_widths or None,
    )


def spectra_categories(
    whole: SpectrumFit | None,
    chosen: SpectrumFit | None,
    *,
    signal: ArrayLike | None,
    model: FitModel,
    fabricated: Mapping[str, float] | None = None,
    variations: Mapping[str, Variation] | None = None,
    odds_widths: Sequence[float] | None = None,
) -> Categories:
    """Return the likelihood of all bins of two spectra: before the selection, and after it.

    Parameters
    ----------
    whole, chosen : SpectrumFit or None
        None for ``chosen`` where there is no selection; a spectrum whose fit did not converge is
        None, too, and has no model.
    signal, model, fabricated, variations, odds_widths
        As in `categories`.

    Raises
    ------
    FitError
        If a spectrum is not there, or the fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import fit, log_edges
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> before = fit(edges, counts, function="dijet3")
    >>> after = fit(edges, np.round(counts / 50), function="dijet3")
    >>> peak = peak_events(edges, 3500.0, 140.0, 50.0)
    >>> spectra_categories(before, after, signal=peak, model=FitModel("dijet3")).categories
    ('pass', 'fail')
    """
    if whole is None or signal is None:
        msg = "Minuit did not converge on the best spectrum, so there is no model to write"
        raise FitError(msg)
    return categories(
        whole.edges,
        whole.counts if chosen is None else chosen.counts,
        None if chosen is None else np.subtract(whole.counts, chosen.counts),
        signal=signal,
        variations=variations,
        fabricated=fabricated,
        model=model,
        odds_widths=odds_widths,
    )


def peak_events(edges: ArrayLike, mass: float, width: float, n_signal: float) -> Array:
    """Return the events of a Gaussian peak in each bin, at least one of them; GeV.

    Examples
    --------
    >>> peak_events([3000, 3500, 4000], 3500, 100, 50.0).round(1).tolist()
    [25.0, 25.0]
    """
    return max(n_signal, 1.0) * gaussian_fractions(edges, mass, width)


def _units(known: Categories) -> Array:
    """Return what one unit of each parameter of the logarithm is in the workspace."""
    inside = slice(1, 1 + known.n_log)
    mean = known.expected(known.best[None])[0]
    slope = known.log_slopes(known.best).reshape(-1, known.n_log)
    columns = np.column_stack(
        [known.background(known.best[None]).ravel()[:, None] * slope, known.signal.ravel()]
    )
    information = (columns / mean[:, None]).T @ columns
    information[np.diag_indices(known.n_log)] += known.precision[inside]
    scale = 1 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    error = scale * np.sqrt(np.diag(np.linalg.pinv(information * np.outer(scale, scale))))
    largest = np.abs(slope).max(axis=0)
    reach = np.clip(1 / (error[:-1] * largest), _FEWEST_ERRORS, _MOST_ERRORS)
    constraint = known.precision[inside]
    return np.where(constraint > 0, 1 / np.sqrt(np.maximum(constraint, 1e-300)), reach * error[:-1])


def _signal_sample(known: Categories, place: int, index: int) -> Sample:
    """Return the signal in one bin with its nuisances."""
    modifiers: list[Modifier] = []
    for name, variation in known.variations.items():
        factors = known.scales[name]
        if factors is None:
            up, down = (each[place, index : index + 1] for each in (variation.up, variation.down))
            modifiers.append(shape_variation(name, up, down))
        else:
            modifiers.append(factor(name, *factors[place]))
    return signal(known.signal[place, index : index + 1], *modifiers)
