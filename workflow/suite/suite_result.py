"""What a suite of sealed boxes has shown: how often a signal is found, and how often there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from ...core import Record
from ...core.tables import Printed, Table
from ...stats.p_values.shares import share_of
from ..challenge.judging import BoxScore, ChallengeScores, Standing

__all__ = ["SuiteAnswer", "SuiteRate", "SuiteResult", "suite_rates"]

_INTERVAL = 0.6827
_NEAR = 0.1  # of the true mass
_NO_RESULT = 1.0  # p-value of a box without one


@dataclass(frozen=True)
class SuiteAnswer(Record):
    """An answer to one box, with what was in it.

    Attributes
    ----------
    score : BoxScore
        Of the answer.
    signal : str or None
        Which of the pool; None in a box without.
    strength : float or None
        S/√B before any selection.
    """

    score: BoxScore
    signal: str | None
    strength: float | None

    @property
    def is_near(self) -> bool:
        """Whether a signal is claimed within 10 % of the true mass."""
        mass = self.score.quantities.get("resonance_mass")
        if mass is None or mass.value is None or not self.score.claimed:
            return False
        return abs(mass.value / mass.truth - 1) <= _NEAR


@dataclass(frozen=True)
class SuiteRate(Record):
    """How often a method claims a signal in boxes of one strength.

    Attributes
    ----------
    method : str
        Its name in the table.
    strength : float or None
        S/√B before any selection; None for boxes without signal.
    boxes, claimed : int
        All of them, and those in which a signal is claimed.
    low, high : float
        Interval of 68 % for the rate (C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404).
    near : int
        Claims within 10 % of the true mass; 0 for boxes without signal.
    median_p : float
        Median global p-value; that of a search without a result is 1.
    p_of_level : float or None
        Probability of so many claims, or more, if p-values are what they say; for boxes without
        signal.
    """

    method: str
    strength: float | None
    boxes: int
    claimed: int
    low: float
    high: float
    near: int
    median_p: float
    p_of_level: float | None

    @property
    def rate(self) -> float:
        """Fraction of the boxes in which a signal is claimed."""
        return self.claimed / self.boxes


@dataclass(frozen=True)
class SuiteResult(Printed, Record):
    """A suite of sealed boxes; printed, it is a table of rates.

    Attributes
    ----------
    level : float
        Global p-value up to which a signal is claimed.
    events : int
        In each box.
    pool : dict of str to int
        Events of each source that boxes are drawn from.
    rates : tuple of SuiteRate
        By method, the boxes without signal first.
    standings : tuple of Standing
        Log score and interval scores of the methods, the best first.
    answers : tuple of SuiteAnswer
        To each box.
    configuration : dict
        Of the suite, without what only says where it is made.
    """

    made_by = "'overdensity challenge suite'"

    level: float
    events: int
    pool: dict[str, int]
    rates: tuple[SuiteRate, ...]
    standings: tuple[Standing, ...]
    answers: tuple[SuiteAnswer, ...]
    configuration: dict[str, Any]

    @property
    def scores(self) -> ChallengeScores:
        """The same answers as a contest."""
        return ChallengeScores(self.standings, tuple(each.score for each in self.answers))

    def table(self) -> Table:
        """Return one line for each method and strength."""
        rows = tuple(
            (
                each.method,
                "none" if each.strength is None else f"{each.strength:g}",
                f"{each.boxes}",
                f"{each.claimed}",
                f"{100 * each.rate:.0f} % ({100 * each.low:.0f} to {100 * each.high:.0f})",
                "-" if each.strength is None else f"{each.near}",
                f"{each.median_p:.2g}",
                "-" if each.p_of_level is None else f"{each.p_of_level:.2g}",
            )
            for each in self.rates
        )
        columns = (
            *("method", "S/√B", "boxes", "found", "rate", "near the mass", "median p"),
            f"p of {100 * self.level:g} %",
        )
        return Table("Signals found in sealed boxes", columns, rows, left=2, notes=self._notes())

    def _notes(self) -> tuple[str, ...]:
        backgrounds = {
            name: number for name, number in self.pool.items() if name in self._backgrounds
        }
        shares = ", ".join(f"{number} of {name}" for name, number in backgrounds.items())
        found = (
            f"found: a global p-value of at most {self.level:g}; rates with 68 % intervals (Clopper "
            "and Pearson); near the mass: within 10 %"
        )
        p_value = (
            f"p of {100 * self.level:g} %: probability of so many claims or more, without signal, if "
            "p-values are what they say"
        )
        sharing = (
            f"boxes of {self.events} events are drawn from {shares}, so that any two share events, "
            "with other energies"
        )
        return found, p_value, sharing

    @property
    def _backgrounds(self) -> Mapping[str, Any]:
        return self.configuration["pool"]["backgrounds"]


def suite_rates(
    answers: Sequence[SuiteAnswer], methods: Sequence[str], level: float
) -> tuple[SuiteRate, ...]:
    """Count the claims of each method at each strength.

    Parameters
    ----------
    answers : sequence of SuiteAnswer
        To all boxes.
    methods : sequence of str
        In the order of the table.
    level : float
        Global p-value up to which a signal was claimed.
    """
    strengths = sorted({each.strength or 0.0 for each in answers})
    return tuple(
        _rate(method, strength, some, level)
        for method in methods
        for strength in strengths
        if (
            some := [
                each
                for each in answers
                if each.score.name == method and (each.strength or 0.0) == strength
            ]
        )
    )


def _rate(method: str, strength: float, some: Sequence[SuiteAnswer], level: float) -> SuiteRate:
    claimed = sum(bool(each.score.claimed) for each in some)
    share = share_of(claimed, len(some), level=_INTERVAL)
    p_values = [_NO_RESULT if each.score.p_value is None else each.score.p_value for each in some]
    above = binomtest(claimed, len(some), level, alternative="greater")
    return SuiteRate(
        method=method,
        strength=strength or None,
        boxes=len(some),
        claimed=claimed,
        low=share.low,
        high=share.high,
        near=sum(each.is_near for each in some),
        median_p=float(np.median(p_values)),
        p_of_level=None if strength else float(above.pvalue),
    )
