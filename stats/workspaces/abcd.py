r"""Background from three control regions: :math:`N_A = N_B N_C / N_D`.

Two independent cuts divide the events: A passes both, B and C one each, D none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ...core import InputError, Record
from ..p_values.local import z_of_log_p
from .pieces import Channel, Sample, free_scale, normalisation, signal, workspace

__all__ = [
    "AbcdEstimate",
    "abcd_channels",
    "abcd_closure",
    "abcd_counts",
    "abcd_estimate",
    "abcd_workspace",
]

Array = NDArray[np.float64]

REGIONS = ("A", "B", "C", "D")
PARAMETERS = {  # start and bounds of the free factors
    "abcd_scale": (1.0, 1e-6, 1e3),
    "abcd_b_over_d": (1.0, 1e-6, 1e3),
    "abcd_c_over_d": (1.0, 1e-6, 1e3),
}


@dataclass(frozen=True)
class AbcdEstimate(Record):
    """The background in region A.

    Attributes
    ----------
    observed : int
        Events in A.
    expected : float
        :math:`N_B N_C / N_D`.
    statistical_error, closure_error, error : float
        From the counts, from the closure, and both in quadrature, events.
    p_local, z_local : float
        Probability of at least as many events in A, and its one-sided significance.

    Examples
    --------
    >>> abcd_estimate([60, 100, 50, 100]).expected
    50.0
    """

    observed: int
    expected: float
    statistical_error: float
    closure_error: float
    error: float
    p_local: float
    z_local: float


def abcd_estimate(counts: ArrayLike, *, closure: float = 0.0) -> AbcdEstimate:
    r"""Predict region A, and compare.

    The statistical error is that of first order,
    :math:`(\sigma/N_A)^2 = 1/N_B + 1/N_C + 1/N_D`. The p-value is exact: given the sums of rows and
    columns, independent cuts make N_A hypergeometric (Fisher's exact test), and a non-closure
    :math:`\omega = (1 + \kappa)^\theta`, θ standard normal, makes it Fisher's noncentral
    hypergeometric with odds ratio ω, over which the p-value is averaged.

    Parameters
    ----------
    counts : array_like of shape (4,)
        Events in A, B, C and D.
    closure : float
        Relative closure uncertainty κ (`abcd_closure`).

    Returns
    -------
    AbcdEstimate

    Raises
    ------
    InputError
        If the counts are not four numbers of events, or D is empty.

    Examples
    --------
    >>> found = abcd_estimate([60, 100, 50, 100], closure=0.1)
    >>> found.expected, round(found.error, 1), round(found.z_local, 2)
    (50.0, 11.2, 0.6)
    """
    a, b, c, d = _checked(counts)
    _check_closure(closure)
    expected = b * c / d
    # An empty control region predicts nothing, with the error that one event would make.
    statistical = np.hypot(
        expected * np.sqrt(1 / d + (1 / b if b else 0.0) + (1 / c if c else 0.0)),
        0.0 if b and c else max(b, c, 1) / d,
    )
    log_p = _log_p(a, b, c, d, closure)
    return AbcdEstimate(
        observed=a,
        expected=expected,
        statistical_error=float(statistical),
        closure_error=closure * expected,
        error=float(np.hypot(statistical, closure * expected)),
        p_local=float(np.exp(log_p)),
        z_local=float(z_of_log_p(log_p)),
    )


def abcd_counts(
    first: ArrayLike, second: ArrayLike, cuts: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Count the events that pass both cuts, the first alone, the second alone, and none.

    Parameters
    ----------
    first, second : array_like of shape (n_events,)
        The two scores, which background has independent of each other.
    cuts : (float, float)
        What an event must reach in each.

    Returns
    -------
    tuple of 4 int
        Events in A, B, C and D.

    Raises
    ------
    InputError
        If there are not as many scores of each kind.

    Examples
    --------
    >>> abcd_counts([0.9, 0.8, 0.1, 0.2], [0.7, 0.1, 0.9, 0.2], (0.5, 0.5))
    (1, 1, 1, 1)
    """
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape or one.ndim != 1:
        msg = f"ABCD needs two scores of each event; the shapes are {one.shape} and {two.shape}"
        raise InputError(msg)
    passed = one >= cuts[0], two >= cuts[1]
    regions = (
        passed[0] & passed[1],
        passed[0] & ~passed[1],
        ~passed[0] & passed[1],
        ~passed[0] & ~passed[1],
    )
    a, b, c, d = (int(np.count_nonzero(region)) for region in regions)
    return a, b, c, d


def abcd_closure(counts: ArrayLike) -> float:
    r"""Return the relative closure uncertainty that a sample without signal supports.

    The larger of :math:`|N_A N_D / (N_B N_C) - 1|` and its statistical error: a test that closes by
    chance proves no more than its statistics allow.

    Parameters
    ----------
    counts : array_like of shape (4,)
        Events of simulation, or of a validation region, in A, B, C and D.

    Raises
    ------
    InputError
        If a region is empty.

    Examples
    --------
    >>> round(abcd_closure([60, 100, 50, 100]), 3)
    0.286
    """
    a, b, c, d = _checked(counts)
    if 0 in (a, b, c):
        msg = (
            f"the closure test has an empty region (A, B, C, D = {a}, {b}, {c}, {d}); loosen a cut"
        )
        raise InputError(msg)
    ratio = a * d / (b * c)
    error = ratio * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return float(max(abs(ratio - 1), error))


def abcd_channels(
    counts: ArrayLike, *, signal_events: Sequence[float], closure: float = 0.0
) -> list[Channel]:
    r"""Return the four regions as channels that are fitted together.

    Backgrounds are :math:`D = \delta`, :math:`B = \delta\beta`, :math:`C = \delta\gamma`,
    :math:`A = \delta\beta\gamma`, with three free factors shared by name, so that
    :math:`A = BC/D` holds exactly at every point of the fit; the signal enters all regions.

    Parameters
    ----------
    counts : array_like of shape (4,)
        Events in A, B, C and D.
    signal_events : sequence of 4 floats
        Events that ``mu = 1`` puts into each region.
    closure : float
        Relative closure uncertainty, log-normal on A (``abcd_closure``).

    Returns
    -------
    list of Channel

    Examples
    --------
    >>> [
    ...     channel.name
    ...     for channel in abcd_channels([60, 100, 50, 100], signal_events=[10, 1, 1, 0])
    ... ]
    ['A', 'B', 'C', 'D']
    """
    observed = _checked(counts)
    _check_closure(closure)
    if len(signal_events) != len(REGIONS):
        msg = f"signal in {len(signal_events)} regions was given; A, B, C and D are needed"
        raise InputError(msg)
    # Only a scale for the free factors, which must not be zero.
    b, c, d = (max(float(n), 1.0) for n in observed[1:])
    nominal = (b * c / d, b, c, d)
    in_a = ("abcd_scale", "abcd_b_over_d", "abcd_c_over_d")
    factors = (in_a, in_a[:2], in_a[::2], in_a[:1])
    channels = []
    for region, n, mean, names, events in zip(
        REGIONS, observed, nominal, factors, signal_events, strict=True
    ):
        modifiers = [free_scale(name) for name in names]
        if region == "A" and closure > 0:
            modifiers.append(normalisation("abcd_closure", closure))
        background = Sample("background", (mean,), tuple(modifiers))
        channels.append(Channel(region, (float(n),), (signal([events]), background)))
    return channels


def abcd_workspace(
    counts: ArrayLike, *, signal_events: Sequence[float], closure: float = 0.0
) -> dict[str, Any]:
    """Return the pyhf workspace of `abcd_channels`.

    Examples
    --------
    >>> model = abcd_workspace([60, 100, 50, 100], signal_events=[10, 1, 1, 0])
    >>> [len(channel["samples"]) for channel in model["channels"]]
    [2, 2, 2, 2]
    """
    channels = abcd_channels(counts, signal_events=signal_events, closure=closure)
    return workspace(channels, parameters=PARAMETERS)


def _checked(counts: ArrayLike) -> tuple[int, int, int, int]:
    values = np.asarray(counts, dtype=float)
    if values.shape != (4,):
        msg = f"ABCD needs the four counts of A, B, C and D; the shape is {values.shape}"
        raise InputError(msg)
    if not np.all(np.isfinite(values) & (values >= 0) & (values == np.round(values))):
        msg = f"the counts {values.tolist()} are not whole numbers of events"
        raise InputError(msg)
    if values[3] == 0:
        msg = "region D is empty, so N_B N_C / N_D has no bound: loosen both cuts"
        raise InputError(msg)
    a, b, c, d = (int(value) for value in values)
    return a, b, c, d


def _check_closure(closure: float) -> None:
    if not (np.isfinite(closure) and closure >= 0):
        msg = f"the closure uncertainty is {closure:g}; it must be a fraction, not negative"
        raise InputError(msg)


def _log_p(a: int, b: int, c: int, d: int, closure: float) -> float:
    """Return ln P(N ≥ a) given the margins, averaged over the odds ratio."""
    row, column, total = a + b, a + c, a + b + c + d
    support = np.arange(max(0, row + column - total), min(row, column) + 1, dtype=float)
    log_weight = -(
        special.gammaln(support + 1)
        + special.gammaln(row - support + 1)
        + special.gammaln(column - support + 1)
        + special.gammaln(total - row - column + support + 1)
    )
    tail = support >= a
    theta = np.linspace(-10, 10, 201) if closure > 0 else np.zeros(1)
    log_odds = np.log1p(closure) * theta
    terms = []
    for tilt, place in zip(log_odds, theta, strict=True):
        tilted = log_weight + support * tilt
        terms.append(_log_sum(tilted[tail]) - _log_sum(tilted) - place**2 / 2)
    return min(_log_sum(np.array(terms)) - _log_sum(-(theta**2) / 2), 0.0)


def _log_sum(terms: Array) -> float:
    """Return the logarithm of a sum of exponentials."""
    largest = float(terms.max())
    return largest + float(np.log(np.exp(terms - largest).sum()))
