"""The flags of limits: what a reader must know, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..config.limits import LimitsConfig
from ..stages.search_result import HIDES_SIGNAL, SearchResults
from .limits_result import SignalLimits, WindowLimits

__all__ = ["limit_flags"]

_FEW_REPEATS = 3
_STEEP = 2.0  # ratio of efficiencies at neighbouring strengths
_EXCESS = 2.0  # σ in the data, beyond which what they hold may help the training


def limit_flags(
    limits: LimitsConfig,
    windows: Sequence[WindowLimits],
    signals: Sequence[SignalLimits],
    results: SearchResults,
) -> Iterator[str]:
    """Yield what a reader must know, in sentences.

    Parameters
    ----------
    limits : LimitsConfig
        What was asked for.
    windows, signals
        The limits.
    results : SearchResults
        Of the run.

    Yields
    ------
    str
        One sentence each.
    """
    if not results.quotable:
        yield HIDES_SIGNAL
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
        yield from _of_strengths(signal, limits.injections.strengths)
        if limits.background is None:
            yield from _of_data(signal, results)
        if limits.injections.repeats < _FEW_REPEATS:
            yield (
                f"{signal.name}: {limits.injections.repeats} repeats hardly show how much the "
                "efficiency varies from training to training"
            )


def _of_strengths(signal: SignalLimits, strengths: Sequence[float]) -> Iterator[str]:
    """Say where there are too few strengths."""
    if signal.injected is not None and signal.injected.observed is None:
        yield (
            f"{signal.name}: the limit lies beyond the largest injected strength, "
            f"{strengths[-1]:g} events; inject more"
        )
    if (gap := _steep(signal)) is not None:
        yield (
            f"{signal.name}: the efficiency jumps between {gap[0]:g} and {gap[1]:g} injected "
            "events, where the limit lies; inject strengths between them"
        )


def _of_data(signal: SignalLimits, results: SearchResults) -> Iterator[str]:
    """Say where the data, into which signal is injected, may hold signal themselves."""
    best = results.windows[signal.window].most_significant
    z = 0.0 if best is None else best.z_local or 0.0
    if z > _EXCESS:
        yield (
            f"{signal.name}: the data, into which it was injected, hold an excess of {z:.1f}σ "
            "in its window; if that is signal, it has helped the training, and the limit with "
            "retraining is too strong: inject into simulation (limits.background)"
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
