"""Limits on the strength of a signal: its events before any selection of the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ...stats.limits.signal_factors import SignalFactor
from ...stats.limits.with_injections import injected_limit
from .injection_results import InjectedSelection, Injection
from .limits_result import StrengthLimit, WindowLimits

__all__ = [
    "best_expected",
    "efficiency_errors",
    "limit_with_retraining",
    "limit_without_retraining",
]


def limit_without_retraining(
    plain: Injection, window: WindowLimits, per_event: float | None
) -> StrengthLimit | None:
    """Return the limit with the selections as the run has trained them.

    Parameters
    ----------
    plain : Injection
        The run's own training, which has measured the efficiency of the signal.
    window : WindowLimits
        The limits on its yields, with `efficiency_errors` among the nuisances.
    per_event : float or None
        Cross section (fb) of one event.

    Returns
    -------
    StrengthLimit or None
        Of the selection with the smallest expected limit; None where there is none.
    """
    found = []
    for row, measured in zip(window.selections, plain.selections, strict=True):
        net = measured.net_efficiency
        if row.observed is not None and net > 0:
            expected = tuple(None if x is None else x / net for x in row.expected)
            observed = row.observed / net
            found.append(
                _strength_limit(row.efficiency, observed, expected, eps_s=net, per_event=per_event)
            )
    return best_expected(found)


def efficiency_errors(plain: Injection) -> tuple[tuple[SignalFactor, ...], ...]:
    """Return for each selection the error of its efficiency as a nuisance, ``tagger_simulation``.

    It is that of the number of simulated events; no nuisance where nothing passes.

    Parameters
    ----------
    plain : Injection
        The run's own training.
    """
    found = []
    for each in plain.selections:
        more = 1 + min(each.eps_error / each.eps_s, 1.0) if each.eps_s > 0 else 1.0
        named = SignalFactor("tagger_simulation", more, 1 / more, trained=False)
        found.append((named,) if more > 1 else ())
    return tuple(found)


def limit_with_retraining(
    by_strength: Mapping[float, Sequence[Injection]],
    window: WindowLimits,
    level: float,
    per_event: float | None,
    nuisances: Sequence[SignalFactor] = (),
) -> StrengthLimit | None:
    """Return the limit with selections that were trained with the signal.

    Parameters
    ----------
    by_strength : mapping of float to sequence of Injection
        The repetitions at each strength, from 0 up.
    window : WindowLimits
        The run's own counts.
    level : float
        Confidence level.
    per_event : float or None
        Cross section (fb) of one event.
    nuisances : sequence of SignalFactor
        Uncertainties of the signal.

    Returns
    -------
    StrengthLimit or None
        Of the selection with the smallest expected limit; None where all are flagged, or keep
        nothing of the signal.
    """
    strengths = list(by_strength)
    found = []
    for index, row in enumerate(each.selection for each in window.selections):
        if row.flagged:
            continue
        rows = [[each.selections[index] for each in some] for some in by_strength.values()]
        eps = [np.array([each.net_efficiency for each in some]) for some in rows]
        if not np.any(np.concatenate(eps)):
            continue
        limit_of = partial(
            injected_limit,
            strengths=strengths,
            efficiencies=eps,
            errors=[_common_error(some) for some in rows],
            level=level,
            nuisances=nuisances,
        )
        limit = limit_of(row.observed, row.expected, row.total_error)
        without = [each.selections[index].selection for each in by_strength[0.0]]
        pseudo = [
            limit_of(each.observed, each.expected, each.total_error, bands=()).observed
            for each in without
            if not each.flagged
        ]
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
                pseudo_expected=tuple(pseudo),
                eps_s=at_median,
                per_event=per_event,
            )
        )
    return best_expected(found)


def _common_error(rows: Sequence[InjectedSelection]) -> float:
    """Return the relative error that the efficiencies of all repeats of a strength share.

    They are measured with halves of the same simulated events: the errors of two have a
    correlation of one half. What is not common is in the spread of the repeats.
    """
    eps = sum(each.eps_s for each in rows)
    variance = sum(each.eps_error**2 for each in rows) / (2 * len(rows))
    return float(np.sqrt(variance)) / (eps / len(rows)) if eps > 0 else 0.0


def best_expected(found: Sequence[StrengthLimit]) -> StrengthLimit | None:
    """Return the limit with the smallest expected median; the observed one does not count."""
    known = [limit for limit in found if limit.expected[2] is not None]
    return min(known or found, key=_median_expected, default=None)


def _median_expected(limit: StrengthLimit) -> float:
    median = limit.expected[2]
    return np.inf if median is None else median


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
