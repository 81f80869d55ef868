"""The flags of limits: what a reader must know, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...stats.search.printed import selection_name
from ..config.limits import LimitsConfig
from ..stages.search_result import HIDES_SIGNAL, SearchResults
from .limits_result import SignalLimits, WindowLimits

__all__ = ["limit_flags"]

_EXCESS = 2.0  # σ in the data, beyond which the pseudo-data made of them may hold signal
_STEEP = 2.0  # ratio of efficiencies at neighbouring strengths


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
        for row in window.selections:
            if row.observed is None and not row.selection.flagged:
                yield (
                    f"{window.low:.0f}-{window.high:.0f} GeV, {selection_name(row.efficiency)}: the fit "
                    "of the limit does not converge, so there is none"
                )
    for signal in signals:
        if signal.fixed is None:
            yield (
                f"{signal.name}: no limit without retraining, as no selection that may be quoted "
                "keeps any of it"
            )
        if limits.injections is None:
            continue
        if signal.injected is None:
            yield (
                f"{signal.name}: no limit with retraining, as no selection that may be quoted "
                "keeps any of it, however much is injected"
            )
        yield from _of_strengths(signal, limits.injections.strengths)
        yield from _of_pseudo_data(signal)
        if limits.background is None:
            yield from _of_data(signal, results)


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


def _of_pseudo_data(signal: SignalLimits) -> Iterator[str]:
    """Say where pseudo-data without injected signal have limits that nobody expected."""
    if signal.injected is None:
        return
    beyond = np.inf  # of the largest injected strength
    low, *_, high = (beyond if limit is None else limit for limit in signal.injected.expected)
    limits = [beyond if limit is None else limit for limit in signal.injected.pseudo_expected]
    if limits and not low <= np.median(limits) <= high:
        yield (
            f"{signal.name}: the median limit of {len(limits)} pseudo-datasets without it lies "
            "outside the band expected from the background of the run, which they do not describe"
        )


def _of_data(signal: SignalLimits, results: SearchResults) -> Iterator[str]:
    """Say where the data, of which the pseudo-data are made, may hold signal themselves."""
    best = results.windows[signal.window].most_significant
    z = 0.0 if best is None else best.z_local or 0.0
    if z > _EXCESS:
        yield (
            f"{signal.name}: the pseudo-data are the data with smeared masses, and these hold an "
            f"excess of {z:.1f}σ in its window; if that is signal, it is spread over all masses "
            "there and hampers the training, so that the limit with retraining may be weaker than "
            "it need be: inject into simulation (limits.background)"
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
