r"""The likelihood of the whole range: every bin of the events that pass and of those that fail.

The background that fails is the smooth function of the search; the background that passes is that
times the odds of passing, whose logarithm is a polynomial in ln m,

.. math:: b^\mathrm{fail}_i = \int_i F(m; \theta)\,dm, \qquad
    b^\mathrm{pass}_i = \int_i F(m; \theta)\,e^{\sum_k \delta_k y_k(\ln m)}\,dm,

one Poisson likelihood of both spectra, signal regions included, with the signal's strength free.
No event is in two categories, so nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError
from ..limits.likelihood import LEAST, Likelihood
from ..limits.profiled import data_of, fit_data
from ..limits.signal_factors import between
from ..spectra.binning import checked_edges
from ..spectra.fit_model import FitModel
from ..spectra.functions import MAX_LOG, Basis, basis, orthonormal, quadrature
from ..spectra.poisson import checked_counts, seed_theta
from ..spectra.predictions import check_filled

if TYPE_CHECKING:
    import pyhf

__all__ = ["FAILING", "PASSING", "Categories", "Variation", "categories"]

Array = NDArray[np.float64]

PASSING, FAILING = "pass", "fail"
"""Names of the categories; an unselected spectrum alone is ``pass``."""

UNSEEN = "signal_failing"
"""Free number of signal events that fail, where no simulation says how many they are."""

_WIDE = 100.0  # of the parameters of the logarithm
_PULL = 8.0


@dataclass(frozen=True, eq=False)
class Variation:
    """A signal under a systematic effect at plus and minus one standard deviation.

    Attributes
    ----------
    up, down : ndarray of shape (n_categories, n_bins)
        Events at ``mu = 1``.

    Examples
    --------
    >>> import numpy as np
    >>> peak = np.array([[2.0, 4.0]])
    >>> Variation(1.1 * peak, peak / 1.1).scales(peak)
    [(1.1, 0.909...)]
    """

    up: Array
    down: Array

    def scales(self, nominal: Array) -> list[tuple[float, float]] | None:
        """Return the factors of each category, up and down; None where the shape changes."""
        factors = []
        for up, down, events in zip(self.up, self.down, nominal, strict=True):
            inside = events > 1e-9 * max(events.sum(), 1e-300)
            if not inside.any():
                factors.append((1.0, 1.0))
                continue
            high, low = up[inside] / events[inside], down[inside] / events[inside]
            if np.ptp(high) + np.ptp(low) > 1e-6 or min(high.min(), low.min()) <= 0:
                return None
            factors.append((float(high[0]), float(low[0])))
        return factors


@dataclass(frozen=True, eq=False)
class Categories(Likelihood):
    """The likelihood of all bins, with the functions as they are: what workspaces approximate.

    Fits, limits and significances take it like one that pyhf has read (`Likelihood`).

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, GeV.
    categories : tuple of str
        ``pass`` and ``fail``, or ``pass`` alone.
    function : str
        Background function.
    design, weights : ndarray of shape (n_categories * n_bins, n_nodes, n_log) and (…, n_nodes)
        The columns of the logarithm of the background at the nodes of each bin.
    n_function : int
        How many of these are the function's; the others are those of the ratio.
    signal : ndarray of shape (n_categories, n_bins)
        Events at ``mu = 1``.
    variations : mapping of str to Variation
        What may change the signal, by the name of the nuisance parameter.
    fabricated : mapping of str to ndarray of shape (n_bins,)
        Signal-shaped background that passes, by the name of its nuisance parameter: the change of
        ln b in each bin by one standard deviation.
    unseen : ndarray of shape (n_bins,) or None
        Shape of a signal of free size among the events that fail.
    best : ndarray of shape (n_parameters,)
        Parameters at the maximum of the likelihood, with the strength free.
    """

    edges: Array = field(default_factory=lambda: np.empty(0))
    categories: tuple[str, ...] = ()
    function: str = ""
    design: Array = field(default_factory=lambda: np.empty(0))
    weights: Array = field(default_factory=lambda: np.empty(0))
    n_function: int = 0
    signal: Array = field(default_factory=lambda: np.empty(0))
    variations: Mapping[str, Variation] = field(default_factory=dict)
    fabricated: Mapping[str, Array] = field(default_factory=dict)
    unseen: Array | None = None
    best: Array = field(default_factory=lambda: np.empty(0))

    @property
    def n_log(self) -> int:
        """Number of parameters of the logarithm of the background; they come after the strength."""
        return self.design.shape[-1]

    @cached_property
    def scales(self) -> dict[str, list[tuple[float, float]] | None]:
        """Factors of each variation; see `Variation.scales`."""
        return {name: each.scales(self.signal) for name, each in self.variations.items()}

    def background(self, theta: Array) -> Array:
        """Return the smooth background, shape (n, n_categories, n_bins), at (n, n_parameters)."""
        return self._nodes(theta).sum(axis=-1).reshape(-1, *self.signal.shape)

    def log_slopes(self, theta: Array) -> Array:
        """Return d ln b / d parameter in each bin, (n_categories, n_bins, n_log), at one place."""
        nodes = self._nodes(theta[None])[0]
        slopes = np.einsum("bq,bqp->bp", nodes, self.design) / nodes.sum(axis=1)[:, None]
        return slopes.reshape(*self.signal.shape, self.n_log)

    def expected(self, theta: Array) -> Array:
        """Return the events expected in every bin, shape (n, n_bins); see `Likelihood`."""
        mean = self._fabricated(theta) + self._signal(theta)
        if self.unseen is not None:
            mean[:, 1] += theta[:, self.names.index(UNSEEN), None] * self.unseen
        return np.maximum(mean.reshape(len(theta), -1), LEAST)

    def _nodes(self, theta: Array) -> Array:
        """Return events of background at each node, (n, n_categories * n_bins, n_nodes)."""
        log_density = np.einsum("bqp,np->nbq", self.design, theta[:, 1 : 1 + self.n_log])
        return self.weights * np.exp(np.clip(log_density, -MAX_LOG, MAX_LOG))

    def _fabricated(self, theta: Array) -> Array:
        """Return the background with what may look like signal in it."""
        background = self.background(theta)
        for name, slope in self.fabricated.items():
            background[:, 0] *= np.exp(theta[:, self.names.index(name), None] * slope)
        return background

    def _signal(self, theta: Array) -> Array:
        """Return the signal, shape (n, n_categories, n_bins)."""
        shape = np.repeat(self.signal[None], len(theta), axis=0)
        log_scale = np.zeros((len(theta), len(self.categories)))
        for name, variation in self.variations.items():
            alpha = theta[:, self.names.index(name), None]
            factors = self.scales[name]
            if factors is None:
                up, down = variation.up - self.signal, self.signal - variation.down
                shape += between(alpha[..., None], up, down)
            else:
                log_up, log_down = np.log(np.array(factors)).T
                log_scale += between(alpha, log_up, -log_down)
        size = theta[:, self.poi, None] * np.exp(log_scale)
        return size[..., None] * np.maximum(shape, 0.0)


def categories(
    edges: ArrayLike,
    passing: ArrayLike,
    failing: ArrayLike | None,
    *,
    signal: ArrayLike,
    variations: Mapping[str, Variation] | None = None,
    fabricated: Mapping[str, float] | None = None,
    model: FitModel | None = None,
    odds_widths: Sequence[float] | None = None,
) -> Categories:
    """Return the likelihood of all bins, fitted once.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    passing : array_like of shape (n_bins,)
        Events that pass the selection, or all where there is none.
    failing : array_like of shape (n_bins,) or None
        All others; None where there is no selection.
    signal : array_like of shape (n_bins,) or (2, n_bins)
        Events at ``mu = 1``. One row is the signal that passes; that which fails is then a free
        multiple of its shape, for nothing is known of it.
    variations : mapping of str to Variation, optional
        Nuisances of the signal by name.
    fabricated : mapping of str to float, optional
        Signal-shaped background by name: standard deviations in events.
    model : FitModel, optional
        Background function, degree of the ratio, and the constraints of its slope and curvature;
        by default ``FitModel()``.
    odds_widths : sequence of float, optional
        Widths of these constraints where a search has measured them (`Best.odds_widths`).

    Returns
    -------
    Categories

    Raises
    ------
    InputError
        If the arrays do not fit together.
    FitError
        If there are too few events, or the fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> failing = np.round(5000 * 0.7 ** np.arange(16))
    >>> peak = np.exp(-((np.arange(16) - 6.0) ** 2) / 2)
    >>> both = categories(edges, np.round(failing / 50 + 20 * peak), failing, signal=20 * peak,
    ...                   model=FitModel("dijet3"))
    >>> both.names[:4], bool(abs(both.best[0] - 1) < 0.3)
    (('mu', 'background_0', 'background_1', 'background_2'), True)
    """
    edges, model = checked_edges(edges), model or FitModel()
    observed = [checked_counts(passing, edges)]
    if failing is not None:
        observed.append(checked_counts(failing, edges))
    events = _checked_signal(signal, np.array(observed))
    function = basis(model.function, edges)
    check_filled(
        observed[-1], np.zeros(edges.size - 1, bool), model.function, function.n_parameters
    )
    design, start = _columns(function, observed, model.efficiency_order)
    n_extra = start.size - function.n_parameters
    sizes = {name: size for name, size in (fabricated or {}).items() if size > 0}
    unseen = events[0] if len(events) < len(observed) else None
    _check_variations(variations or {}, _rows(events, len(observed)))
    effects = (*(variations or {}), *sizes)
    names = _names(function.n_parameters, n_extra, effects, free=unseen is not None)
    first, precision, limit = np.zeros(len(names)), np.zeros(len(names)), np.full(len(names), _WIDE)
    n_log = start.size
    first[1 : 1 + n_log] = start
    if n_extra:  # slope and curvature; the size of the ratio is free
        widths = model.odds_precision()[1:] ** -0.5 if odds_widths is None else odds_widths
        precision[2 + function.n_parameters : 1 + n_log] = np.asarray(widths) ** -2.0
    precision[1 + n_log : 1 + n_log + len(effects)] = 1.0
    limit[1 + n_log : 1 + n_log + len(effects)] = _PULL
    positive = np.array([name in {"mu", UNSEEN} for name in names])
    known = Categories(
        spec=cast("pyhf.Workspace", None),  # the functions themselves are behind it
        poi=0,
        names=names,
        start=first,
        low=np.where(positive, 0.0, -limit),
        high=np.where(positive, 1e12, limit),
        fixed=np.zeros(len(names), dtype=bool),
        precision=precision,
        factor=np.zeros(len(names)),
        auxiliary=np.zeros(len(names)),
        observed=np.concatenate(observed),
        edges=edges,
        categories=(PASSING, FAILING)[: len(observed)],
        function=model.function,
        design=design,
        weights=np.tile(function.weights, (len(observed), 1)),
        n_function=function.n_parameters,
        signal=_rows(events, len(observed)),
        variations=dict(variations or {}),
        fabricated=dict.fromkeys(sizes, np.zeros(edges.size - 1)),
        unseen=unseen,
    )
    return _with_fabricated(replace(known, best=_fitted(known)), sizes)


def _columns(function: Basis, observed: list[Array], order: int) -> tuple[Array, Array]:
    """Return the columns of ln b at the nodes of all bins, and where the fit starts."""
    start = seed_theta(function, observed[-1])
    if len(observed) == 1:
        return function.design, start
    log_mass = np.log(quadrature(function.edges, function.weights.shape[1])[0])
    powers, _ = orthonormal((log_mass - log_mass.mean())[..., None] ** np.arange(order + 1))
    passing = np.concatenate([function.design, powers], axis=-1)
    failing = np.concatenate([function.design, np.zeros_like(powers)], axis=-1)
    share = np.log((observed[0].sum() + 0.5) / (observed[1].sum() + 0.5))
    return np.concatenate([passing, failing]), np.r_[start, share, np.zeros(order)]


def _with_fabricated(known: Categories, sizes: Mapping[str, float]) -> Categories:
    """Return the likelihood with signal-shaped background of these sizes, fitted again."""
    if not sizes:
        return known
    background = np.maximum(known.background(known.best[None])[0, 0], LEAST)
    share = known.signal[0] / known.signal[0].sum() / background
    slopes = {name: np.log1p(size * share) for name, size in sizes.items()}
    known = replace(known, fabricated=slopes)
    return replace(known, best=_fitted(known))


def _names(
    n_function: int, n_extra: int, effects: tuple[str, ...], *, free: bool
) -> tuple[str, ...]:
    """Return the names of all parameters, the strength first, or say which is there twice."""
    names = (
        "mu",
        *(f"background_{k}" for k in range(n_function)),
        *(f"efficiency_{k}" for k in range(n_extra)),
        *effects,
        *((UNSEEN,) if free else ()),
    )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        msg = f"two nuisance parameters are named {twice[0]!r}; give each a name of its own"
        raise InputError(msg)
    return names


def _fitted(known: Categories) -> Array:
    """Return the parameters at the maximum; the message of a failed fit says what was fitted."""
    try:
        return fit_data(known, *data_of(known), start=known.start).theta[0]
    except FitError as error:
        msg = (
            f"the {known.function} fit of {int(known.observed.sum())} events that pass or fail does "
            "not converge; use fewer parameters or a narrower range"
        )
        raise FitError(msg) from error


def _rows(events: Array, n_categories: int) -> Array:
    """Return the signal by category; none fails where nothing is known of it."""
    missing = n_categories - len(events)
    return np.vstack([events, np.zeros((missing, events.shape[1]))]) if missing else events


def _checked_signal(signal: ArrayLike, observed: Array) -> Array:
    """Return the signal as rows, or say what is wrong with it."""
    events = np.atleast_2d(np.asarray(signal, dtype=float))
    if events.shape[1] != observed.shape[1] or not 1 <= len(events) <= len(observed):
        msg = (
            f"the signal has shape {events.shape}; there are {observed.shape[1]} bins and "
            f"{len(observed)} categories"
        )
        raise InputError(msg)
    if not np.all(np.isfinite(events) & (events >= 0)) or not events[0].any():
        msg = "the signal must be finite, not negative, and somewhere among the events that pass"
        raise InputError(msg)
    return events


def _check_variations(variations: Mapping[str, Variation], events: Array) -> None:
    """Refuse varied signals that do not fit to the signal."""
    for name, variation in variations.items():
        for varied in (variation.up, variation.down):
            if varied.shape != events.shape or not np.all(np.isfinite(varied) & (varied >= 0)):
                msg = (
                    f"the signal varied by {name!r} has shape {varied.shape}, or events that are "
                    f"negative or not finite; it must be like the signal, {events.shape}"
                )
                raise InputError(msg)
