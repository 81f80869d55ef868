"""Limits put together from what was measured: yields of the run, and repetitions with signal."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ...core import FitError
from ...ml import Sample
from ...stats import SelectionResult, counting_workspace, z_of_p
from ...stats.limits.cls import upper_limit
from ...stats.limits.with_injections import injected_limit, reach
from ..config.limits import LimitsConfig, SignalConfig
from ..stages.search_result import SearchResults, SelectionSummary, WindowSummary
from .injection import InjectedSelection, Injection
from .limits_result import (
    InjectionPoint,
    PointSelection,
    Reach,
    SignalLimits,
    StrengthLimit,
    WindowLimits,
    YieldLimit,
)

__all__ = ["SignalModel", "limit_flags", "signal_limits", "window_limits", "z_or_zero"]

logger = logging.getLogger(__name__)

_QUANTILES = (0.0228, 0.1587, 0.5, 0.8413, 0.9772)  # of -2, -1, 0, 1, 2 σ
_MOST_ABSORBED = 0.9
_FEW_REPEATS = 3
_STEEP = 2.0  # ratio of efficiencies at neighbouring strengths
_EXCESS = 2.0  # σ in the data, beyond which what they hold may help the training


@dataclass(frozen=True)
class SignalModel:
    """A signal model and where it is looked for.

    Attributes
    ----------
    name : str
        Of the model.
    config : SignalConfig
        What the configuration says of it.
    files : tuple of str
        Its columns.
    sample : Sample
        Its events, at all masses.
    total : float
        Events in the files, or the sum of their weights.
    window : int
        The window with the largest share of its events.
    share : float
        That share.
    """

    name: str
    config: SignalConfig
    files: tuple[str, ...]
    sample: Sample
    total: float
    window: int
    share: float


def window_limits(window: WindowSummary, level: float) -> WindowLimits:
    """Return the limits on the selected yields of one window."""
    rows = tuple(_yield_limit(row, level) for row in window.selections)
    return WindowLimits(window.center, window.low, window.high, rows)


def _yield_limit(row: SelectionSummary, level: float) -> YieldLimit:
    """Return the limit on the selected events, none where the fit may not be quoted."""
    error = float(np.hypot(row.expected_error or 0.0, row.spurious))
    observed, expected = None, ()
    if not row.flagged:
        # The scale of a limit, so that it is of order 1 in units of mu.
        scale = 3.0 + 2.0 * float(np.hypot(np.sqrt(max(row.expected, 0.0)), error))
        model = counting_workspace(
            cast("SelectionResult", replace(row, expected_error=error)), n_signal=scale
        )
        try:
            limit = upper_limit(model, level=level)
        except FitError as failure:
            logger.warning("no limit at %g: %s", row.efficiency, failure)
        else:
            observed, expected = limit.observed * scale, tuple(x * scale for x in limit.expected)
    return YieldLimit(
        efficiency=row.efficiency,
        events=row.observed,
        background=row.expected,
        error=error,
        observed=observed,
        expected=expected,
        flagged=row.flagged,
    )


def signal_limits(
    limits: LimitsConfig,
    signal: SignalModel,
    results: SearchResults,
    *,
    window: WindowLimits,
    done: Sequence[Injection],
) -> SignalLimits:
    """Put the limits on one signal together; the first repetition is the run's own training."""
    per_event = None
    if limits.luminosity is not None:
        generated = signal.config.generated or signal.total
        per_event = generated / signal.total / limits.luminosity
    plain, campaign = done[0], done[1:] if limits.background is not None else done
    by_strength: dict[float, list[Injection]] = {}
    for each in sorted(campaign, key=lambda each: (each.strength, each.repeat)):
        by_strength.setdefault(each.strength, []).append(each)
    injected = None
    points: tuple[InjectionPoint, ...] = ()
    found: Reach | None = None
    if limits.injections is not None:
        injected = _injected_limit(by_strength, window, limits.level, per_event)
        points = tuple(_point(s, some, results.pseudo_z) for s, some in by_strength.items())
        found = None if injected is None else _reach(points, by_strength, injected, results)
    return SignalLimits(
        name=signal.name,
        mass=signal.config.mass or float(np.median(signal.sample.mass)),
        window=signal.window,
        low=window.low,
        high=window.high,
        share=signal.share,
        events=len(signal.sample),
        per_event=per_event,
        cross_section=signal.config.cross_section,
        fixed=_fixed_limit(plain, window, per_event),
        injected=injected,
        points=points,
        reach=found,
    )


def _fixed_limit(
    plain: Injection, window: WindowLimits, per_event: float | None
) -> StrengthLimit | None:
    """Return the limit with the selections as the run has trained them."""
    found = []
    for row, measured in zip(window.selections, plain.selections, strict=True):
        if row.observed is not None and measured.eps_s > 0:
            expected = tuple(None if x is None else x / measured.eps_s for x in row.expected)
            found.append(
                _strength_limit(
                    row.efficiency,
                    row.observed / measured.eps_s,
                    expected,
                    eps_s=measured.eps_s,
                    per_event=per_event,
                )
            )
    return _best_expected(found)


def _injected_limit(
    by_strength: Mapping[float, Sequence[Injection]],
    window: WindowLimits,
    level: float,
    per_event: float | None,
) -> StrengthLimit | None:
    """Return the limit with selections that were trained with the signal."""
    strengths = list(by_strength)
    found = []
    for index, row in enumerate(window.selections):
        if row.flagged:
            continue
        eps = _net_efficiencies(by_strength, index)
        limit = injected_limit(
            row.events, row.background, row.error,
            strengths=strengths, efficiencies=eps, level=level,
        )  # fmt: skip
        without = [each.selections[index] for each in by_strength[0.0]]
        pseudo = [
            injected_limit(
                each.observed, each.expected, each.error,
                strengths=strengths, efficiencies=eps, level=level,
            ).observed
            for each in without
            if not each.flagged
        ]  # fmt: skip
        median = limit.expected[2]
        at_median = None
        if median is not None:
            means = [float(np.mean(each)) for each in eps]
            at_median = float(np.interp(median, strengths, means))
        found.append(
            _strength_limit(
                row.efficiency,
                limit.observed,
                limit.expected,
                # With the data as base there is no pseudo-dataset but the data themselves.
                pseudo_expected=tuple(pseudo) if len(without) > 1 else (),
                eps_s=at_median,
                per_event=per_event,
            )
        )
    return _best_expected(found)


def _net_efficiencies(
    by_strength: Mapping[float, Sequence[Injection]], index: int
) -> list[NDArray[np.float64]]:
    """Return the efficiencies of a selection at each strength, less what the sideband fit absorbs.

    What it absorbs of the selected signal is one fraction for all repeats of a strength: that of a
    single repeat is as noisy as a handful of events. Without signal it is that of the weakest.
    """
    absorbed = {
        strength: _absorbed([each.selections[index] for each in some])
        for strength, some in by_strength.items()
        if strength
    }
    absorbed[0.0] = next(iter(absorbed.values()))
    return [
        np.array([each.selections[index].eps_s for each in some]) * (1 - absorbed[strength])
        for strength, some in by_strength.items()
    ]


def _absorbed(rows: Sequence[InjectedSelection]) -> float:
    selected = sum(row.selected_signal for row in rows)
    gained = sum(row.absorbed for row in rows)
    return float(np.clip(gained / selected, 0.0, _MOST_ABSORBED)) if selected else 0.0


def _strength_limit(
    efficiency: float,
    observed: float | None,
    expected: tuple[float | None, ...],
    *,
    eps_s: float | None,
    per_event: float | None,
    pseudo_expected: tuple[float | None, ...] = (),
) -> StrengthLimit:
    def in_fb(value: float | None) -> float | None:
        return None if value is None or per_event is None else value * per_event

    return StrengthLimit(
        efficiency=efficiency,
        observed=observed,
        expected=expected,
        pseudo_expected=pseudo_expected,
        eps_s=eps_s,
        cross_section_observed=in_fb(observed),
        cross_section_expected=() if per_event is None else tuple(map(in_fb, expected)),
    )


def _best_expected(found: Sequence[StrengthLimit]) -> StrengthLimit | None:
    """Return the limit with the smallest expected median; the observed one has no say."""
    known = [limit for limit in found if limit.expected[2] is not None]
    return min(known or found, key=_median_expected, default=None)


def _median_expected(limit: StrengthLimit) -> float:
    median = limit.expected[2]
    return np.inf if median is None else median


def _point(strength: float, some: Sequence[Injection], pseudo_z: Sequence[float]) -> InjectionPoint:
    """Summarise the repeats at one strength."""
    rows = list(zip(*(each.selections for each in some), strict=True))
    best = [max(map(z_or_zero, each.selections)) for each in some]
    return InjectionPoint(
        strength=strength,
        repeats=len(some),
        z_global=_quantiles([_z_global(z, pseudo_z) for z in best]),
        selections=tuple(
            PointSelection(
                efficiency=these[0].efficiency,
                z_local=_quantiles([z_or_zero(row) for row in these]),
                eps_s=_quantiles([row.eps_s for row in these]),
                absorbed=_absorbed(these),
                selected_signal=float(np.mean([row.selected_signal for row in these])),
            )
            for these in rows
        ),
    )


def _quantiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(np.quantile(np.asarray(values), _QUANTILES).tolist())


def _z_global(z_local: float, pseudo_z: Sequence[float]) -> float:
    """Return the global significance by the pseudo-experiments of the run, at most what they tell."""
    as_large = np.count_nonzero(np.asarray(pseudo_z) >= z_local)
    return float(z_of_p((1 + as_large) / (1 + len(pseudo_z))))


def _reach(
    points: Sequence[InjectionPoint],
    by_strength: Mapping[float, Sequence[Injection]],
    limit: StrengthLimit,
    results: SearchResults,
) -> Reach:
    strengths = [point.strength for point in points]
    index = [row.efficiency for row in points[0].selections].index(limit.efficiency)
    z_local = [
        [z_or_zero(each.selections[index]) for each in some] for some in by_strength.values()
    ]
    z_global = [
        [_z_global(max(map(z_or_zero, each.selections)), results.pseudo_z) for each in some]
        for some in by_strength.values()
    ]
    return Reach(
        local_3=reach(strengths, z_local, 3.0),
        local_5=reach(strengths, z_local, 5.0),
        global_3=reach(strengths, z_global, 3.0),
        global_5=reach(strengths, z_global, 5.0),
    )


def z_or_zero(row: InjectedSelection) -> float:
    """Return the local significance; a fit that may not be quoted discovers nothing."""
    return 0.0 if row.flagged else row.z_local


def limit_flags(
    limits: LimitsConfig,
    windows: Sequence[WindowLimits],
    signals: Sequence[SignalLimits],
    results: SearchResults,
) -> Iterator[str]:
    """Say what a reader must know."""
    for window in windows:
        if all(row.observed is None for row in window.selections):
            yield (
                f"{window.low:.0f}-{window.high:.0f} GeV: no selection has a fit that may be "
                "quoted, so there is no limit"
            )
    for signal in signals:
        if signal.fixed is None:
            yield (
                f"{signal.name}: no limit without retraining, as no selection that may be quoted "
                "keeps any of it"
            )
        if limits.injections is None:
            continue
        largest = limits.injections.strengths[-1]
        if signal.injected is not None and signal.injected.observed is None:
            yield (
                f"{signal.name}: the limit lies beyond the largest injected strength, "
                f"{largest:g} events; inject more"
            )
        if (gap := _steep(signal)) is not None:
            yield (
                f"{signal.name}: the efficiency jumps between {gap[0]:g} and {gap[1]:g} injected "
                "events, where the limit lies; inject strengths between them"
            )
        rows = results.windows[signal.window].selections
        z = max((row.z_local for row in rows if row.z_local is not None), default=0.0)
        if limits.background is None and z > _EXCESS:
            yield (
                f"{signal.name}: the data, into which it was injected, hold an excess of {z:.1f}σ "
                "in its window; if that is signal, it has helped the training, and the limit with "
                "retraining is too strong: inject into simulation (limits.background)"
            )
        if limits.injections.repeats < _FEW_REPEATS:
            yield (
                f"{signal.name}: {limits.injections.repeats} repeats hardly show how much the "
                "efficiency varies from training to training"
            )


def _steep(signal: SignalLimits) -> tuple[float, float] | None:
    """Return the strengths around the limit, where the efficiency is not well known in between."""
    limit = signal.injected
    if limit is None or limit.observed is None:
        return None
    strengths = [point.strength for point in signal.points]
    index = [row.efficiency for row in signal.points[0].selections].index(limit.efficiency)
    medians = [point.selections[index].eps_s[2] for point in signal.points]
    upper = int(np.searchsorted(strengths, limit.observed))
    low, high = sorted(medians[upper - 1 : upper + 1])
    return (strengths[upper - 1], strengths[upper]) if high > _STEEP * low else None
