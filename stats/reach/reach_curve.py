"""Significance against the number of signal events, and the number needed for 3 and 5 σ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import InputError, Record
from ..limits.with_injections import QUANTILES, reach
from .blind_background import BlindBackground
from .signal_response import SignalResponse
from .significances import ScanToys, asimov_significances, scan_toys, toy_significances

__all__ = ["EventsNeeded", "ReachCurve", "ReachPoint", "expected_reach"]

Array = NDArray[np.float64]

_TARGETS = (3.0, 5.0)
_POINTS = 16  # strengths where none are given
_BEYOND = 1.6  # how far they go beyond the strength of 5 σ global
_FINE = 12  # steps of the Asimov dataset between two strengths
_SAME = 1e-3  # efficiencies this close, in what they need, are alike: the looser one is taken


@dataclass(frozen=True)
class ReachPoint(Record):
    """What is expected of one number of signal events.

    Attributes
    ----------
    strength : float
        Signal events before selection.
    asimov : tuple of float
        Local significance of the Asimov dataset for each selection, the unselected spectrum first.
    local : tuple of tuple of float
        That of toys, for each selection at the quantiles of -2, -1, 0, 1, 2 σ; 0 where a fit may
        not be quoted.
    asimov_global : float
        Global significance of the most significant selection of the Asimov dataset.
    whole : tuple of float
        That of toys, at the same quantiles.
    eps_s : tuple of float
        Fraction of the signal events in the signal region after each selection.

    Examples
    --------
    >>> ReachPoint(10.0, (1.0,), ((0.0, 0.1, 1.0, 2.0, 3.0),), 0.2, (0.0, 0.0, 0.2, 1.0, 2.0), (0.5,))
    ReachPoint(strength=10.0, asimov=(1.0,), ...)
    """

    strength: float
    asimov: tuple[float, ...]
    local: tuple[tuple[float, ...], ...]
    asimov_global: float
    whole: tuple[float, ...]
    eps_s: tuple[float, ...]


@dataclass(frozen=True)
class EventsNeeded(Record):
    """The number of signal events from which on a significance is expected.

    Attributes
    ----------
    z : float
        The significance.
    whole : bool
        Whether it is the global one, of the most significant selection; else the local one, of the
        selection of the curve.
    asimov : float or None
        In the Asimov dataset; None beyond the largest strength.
    events : tuple of float or None
        In toys: where the quantiles of +2, +1, 0, -1, -2 σ reach it, so that the number increases;
        the third is the median.

    Examples
    --------
    >>> EventsNeeded(3.0, False, 90.0, (40.0, 65.0, 90.0, 120.0, None)).median
    90.0
    """

    z: float
    whole: bool
    asimov: float | None
    events: tuple[float | None, ...]

    @property
    def median(self) -> float | None:
        """Events with which half of all experiments see it."""
        return self.events[2]


@dataclass(frozen=True)
class ReachCurve(Record):
    """The expected reach in one window for one signal.

    Attributes
    ----------
    efficiencies : tuple of float
        1 for the unselected spectrum, then the selections.
    expected, error : tuple of float
        Background in the signal region after each selection, and the error of its fit; spurious
        signal is in neither.
    selection : float
        The selection of the local numbers: that which needs the fewest events for 5 σ in the Asimov
        dataset, or else for 3 σ.
    z_local_needed : tuple of float
        Local significances that are 3 and 5 σ global.
    points : tuple of ReachPoint
        From 0 events up.
    needed : tuple of EventsNeeded
        Local 3 and 5 σ, global 3 and 5 σ.

    Examples
    --------
    >>> ReachCurve((1.0, 0.1), (900.0, 90.0), (9.0, 3.0), 0.1, (4.0, 5.8), (), ()).selection
    0.1
    """

    efficiencies: tuple[float, ...]
    expected: tuple[float, ...]
    error: tuple[float, ...]
    selection: float
    z_local_needed: tuple[float, ...]
    points: tuple[ReachPoint, ...]
    needed: tuple[EventsNeeded, ...]

    def of(self, z: float, *, whole: bool) -> EventsNeeded:
        """Return the events needed for a significance, the global or the local one."""
        return next(each for each in self.needed if (each.z, each.whole) == (z, whole))


def expected_reach(
    background: BlindBackground,
    response: SignalResponse,
    *,
    strengths: Sequence[float] = (),
    toys: int = 1000,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
) -> ReachCurve:
    """Return the significance to be expected against the number of signal events.

    Parameters
    ----------
    background : BlindBackground
        What the sidebands tell of the background.
    response : SignalResponse
        What becomes of signal events.
    strengths : sequence of float
        Signal events before selection; 0 is always there. By default as far as 5 σ global takes; a
        trained response is followed up to the largest strength that it is known for.
    toys : int
        Datasets at each strength.
    pseudo_experiments : int
        Datasets of the whole scan without signal, from which the global significance follows as in
        a search.
    seed : int
        Of the toys.

    Returns
    -------
    ReachCurve

    Raises
    ------
    InputError
        If no event of the signal lies in the signal region.

    Examples
    --------
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.reach.blind_background import blind_background
    >>> from overdensity.stats.reach.signal_response import gaussian_response
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> seen = blind_background(edges, counts, [edges[[5, 8]]], 0, [0.1], model=FitModel("dijet3"))
    >>> signal = gaussian_response(edges, 3600.0, 0.03, [0.5])
    >>> curve = expected_reach(seen, signal, toys=200, pseudo_experiments=500)
    >>> three, five = (curve.of(z, whole=False).median for z in (3.0, 5.0))
    >>> curve.selection, curve.points[0].asimov, 0 < three < five
    (0.1, (0.0, 0.0), True)
    """
    masked = background.masked
    if not response.fractions[..., masked].any():
        msg = (
            "no event of the signal lies in the signal region after any selection: is its mass in "
            "the window?"
        )
        raise InputError(msg)
    of_scan = scan_toys(background, n=pseudo_experiments, seed=seed)
    at = sorted({0.0, *(strengths or _strengths(background, response, of_scan))})
    fine = np.unique(np.r_[at, np.interp(np.linspace(0, 1, _FINE * len(at)), _unit(at), at)])
    asimov = asimov_significances(background, response, fine.tolist())
    selection = _best_selection(fine, asimov, background.counted)
    points, local, whole = [], [], []
    for strength in at:
        z = toy_significances(background, response, strength, of_scan, n=toys, seed=seed)
        z_global = of_scan.z_global(z[:, background.counted].max(axis=1))
        z_asimov = asimov[np.searchsorted(fine, strength)]
        local.append(np.quantile(z[:, selection], QUANTILES))
        whole.append(np.quantile(z_global, QUANTILES))
        points.append(
            ReachPoint(
                strength=float(strength),
                asimov=tuple(z_asimov.tolist()),
                local=tuple(map(tuple, np.quantile(z, QUANTILES, axis=0).T.tolist())),
                asimov_global=float(of_scan.z_global(z_asimov[background.counted].max())),
                whole=tuple(whole[-1].tolist()),
                eps_s=tuple(response.at(strength)[..., masked].sum(axis=2).mean(axis=0).tolist()),
            )
        )
    fits = background.fits()
    largest = of_scan.z_global(asimov[:, background.counted].max(axis=1))
    return ReachCurve(
        efficiencies=background.efficiencies,
        expected=tuple(fits.expected[0].tolist()),
        error=tuple(fits.error[0].tolist()),
        selection=background.efficiencies[selection],
        z_local_needed=tuple(map(of_scan.z_local, _TARGETS)),
        points=tuple(points),
        needed=(
            *(_needed(z, (fine, asimov[:, selection]), (at, local), whole=False) for z in _TARGETS),
            *(_needed(z, (fine, largest), (at, whole), whole=True) for z in _TARGETS),
        ),
    )


def _unit(at: Sequence[float]) -> Array:
    """Return the places of strengths on a scale from 0 to 1 on which they are equidistant."""
    return np.linspace(0, 1, len(at))


def _strengths(
    background: BlindBackground, response: SignalResponse, toys: ScanToys
) -> list[float]:
    """Return strengths up to somewhat more than 5 σ global, or as far as a response is known."""
    if response.trained:
        known = response.strengths
        between = -(-(_POINTS - 1) // (known.size - 1))
        at = np.arange(between * (known.size - 1) + 1) / between
        return np.interp(at, np.arange(known.size), known).tolist()
    target, most = toys.z_local(_TARGETS[-1]), float(background.expected.sum())
    top = 1.0
    while top < most:
        z = asimov_significances(background, response, [top])[0, background.counted].max()
        if z >= target:
            break
        top *= 2**0.25
    return np.linspace(0.0, _BEYOND * top, _POINTS).tolist()


def _best_selection(fine: Array, asimov: Array, counted: NDArray[np.bool_]) -> int:
    """Return the selection that needs the fewest events, for 5 σ or else for 3."""
    for target in reversed(_TARGETS):
        needed = np.array(
            [
                _reached(fine, asimov[:, k], target) if use else None
                for k, use in enumerate(counted)
            ],
            dtype=float,
        )
        if np.isfinite(needed).any():
            return int(np.argmax(needed <= np.nanmin(needed) * (1 + _SAME)))
    return int(np.where(counted, asimov[-1], -1.0).argmax())


def _needed(
    z: float,
    asimov: tuple[Array, Array],
    toys: tuple[Sequence[float], list[Array]],
    *,
    whole: bool,
) -> EventsNeeded:
    """Return where the Asimov dataset and the quantiles of toys reach a significance."""
    at, quantiles = toys
    return EventsNeeded(
        z=z,
        whole=whole,
        asimov=_reached(*asimov, z),
        events=tuple(
            _reached(at, np.array(quantiles)[:, k], z) for k in reversed(range(len(QUANTILES)))
        ),
    )


def _reached(at: Sequence[float] | Array, z: Array, target: float) -> float | None:
    """Return the strength from which on a significance stays above a target."""
    return reach(at, [np.array([each]) for each in z], target)
