"""Limits on one signal model put together: without and with retraining, and the reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...stats.limits.signal_factors import SignalFactor
from ..config.limits import LimitsConfig
from ..stages.search_result import SearchResults
from .discovery_reach import discovery_reach, injection_points
from .injection_results import Injection
from .limits_result import InjectionPoint, Reach, SignalLimits, WindowLimits
from .signal_models import SignalModel
from .strength_limits import limit_with_retraining, limit_without_retraining

__all__ = ["signal_limits"]


def signal_limits(
    limits: LimitsConfig,
    signal: SignalModel,
    results: SearchResults,
    *,
    window: WindowLimits,
    done: Sequence[Injection],
    nuisances: Sequence[SignalFactor] = (),
) -> SignalLimits:
    """Put the limits on one signal together.

    Parameters
    ----------
    limits : LimitsConfig
        What was asked for.
    signal : SignalModel
        The signal.
    results : SearchResults
        Of the run.
    window : WindowLimits
        Limits on the yields of the window where it is looked for.
    done : sequence of Injection
        The repetitions; the first is the run's own training.
    nuisances : sequence of SignalFactor
        Uncertainties of the signal; those of `window` hold them already.
    """
    per_event = signal.per_event(limits.luminosity)
    plain, campaign = done[0], done[1:]
    by_strength: dict[float, list[Injection]] = {}
    for each in sorted(campaign, key=lambda each: (each.strength, each.repeat)):
        by_strength.setdefault(each.strength, []).append(each)
    injected = None
    points: tuple[InjectionPoint, ...] = ()
    found: Reach | None = None
    if limits.injections is not None:
        injected = limit_with_retraining(by_strength, window, limits.level, per_event, nuisances)
        points = injection_points(by_strength, results.pseudo_z)
        if injected is not None:
            found = discovery_reach(by_strength, injected.efficiency, results.pseudo_z)
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
        fixed=limit_without_retraining(plain, window, per_event),
        injected=injected,
        points=points,
        reach=found,
    )
