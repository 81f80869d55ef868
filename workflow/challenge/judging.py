"""Compare answers with the keys of their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core import InputError, Record
from ...core.tables import Printed, Table
from .answer_sheet import AnswerSheet, Daughter, Measured
from .key import Key, Truth
from .score_rules import SAYS_NOTHING, interval_score, log_score

__all__ = ["QUANTITIES", "BoxScore", "ChallengeScores", "QuantityScore", "Standing", "judge"]

QUANTITIES = {
    "resonance_mass": "resonance [GeV]",
    "n_signal": "signal events",
    "heavier_mass": "heavier daughter [GeV]",
    "lighter_mass": "lighter daughter [GeV]",
}
"""What is measured, as tables and the four panels of a figure call it."""


_OF_PROBABILITIES = (
    "log score: mean of ln P(what is true), over boxes with and without signal; larger is better, and "
    f"1/2 for each box has {np.log(0.5):.3f}"
)
_OF_NUMBERS = (
    "other columns: mean interval score over the truth; smaller is better, and nothing said counts "
    f"{SAYS_NOTHING:g}"
)
_NOTES = (_OF_PROBABILITIES, _OF_NUMBERS)


@dataclass(frozen=True)
class QuantityScore(Record):
    """One number of an answer beside the truth.

    Attributes
    ----------
    value, error : float or None
        As answered; None where nothing is said.
    truth : float
        Of the key.
    pull : float or None
        (answer - truth) / error, as in Fig. 51 of arXiv:2101.08320; None without an error.
    interval_score : float
        `score_rules.interval_score`; smaller is better.
    """

    value: float | None
    error: float | None
    truth: float
    pull: float | None
    interval_score: float


@dataclass(frozen=True)
class BoxScore(Record):
    """An answer to one box.

    Attributes
    ----------
    name, box : str
        Who answers, and which box.
    commitment : str
        Of the box.
    signal : bool
        The truth.
    claimed : bool or None
        Whether a signal was claimed; None where the box was not answered.
    p_value : float or None
        As answered.
    probability : float
        Of a signal, as answered; 1/2 where the box was not.
    log_score : float
        `score_rules.log_score` of that; larger is better.
    quantities : dict of str to QuantityScore
        By the keys of ``QUANTITIES``; those that the truth has.
    prongs, true_prongs : tuple of int or None
        Of the heavier and of the lighter daughter.
    """

    name: str
    box: str
    commitment: str
    signal: bool
    claimed: bool | None
    p_value: float | None
    probability: float
    log_score: float
    quantities: dict[str, QuantityScore]
    prongs: tuple[int | None, ...]
    true_prongs: tuple[int | None, ...]


@dataclass(frozen=True)
class Standing(Record):
    """What someone has reached over all boxes.

    Attributes
    ----------
    name : str
        Who.
    answered, boxes : int
        Boxes answered, and all.
    log_score : float
        The metric: the mean over all boxes, with and without signal; larger is better.
    interval_scores : dict of str to float
        Means over all boxes that have the quantity; smaller is better.
    right_prongs, all_prongs : int
        Daughters whose prongs are right, and all that there are.
    """

    name: str
    answered: int
    boxes: int
    log_score: float
    interval_scores: dict[str, float]
    right_prongs: int
    all_prongs: int


@dataclass(frozen=True)
class ChallengeScores(Printed, Record):
    """All answers to all boxes; printed, it is a table with one line for each who answered.

    Attributes
    ----------
    standings : tuple of Standing
        The best first.
    answers : tuple of BoxScore
        By name and box.
    """

    made_by = "'overdensity challenge score'"

    standings: tuple[Standing, ...]
    answers: tuple[BoxScore, ...]

    def table(self) -> Table:
        """Return one line for each who answered, the best first."""
        measured = [name for name in QUANTITIES if name in self._measured]
        rows = tuple(
            (
                each.name,
                f"{each.answered} of {each.boxes}",
                f"{each.log_score:.3f}",
                *(f"{each.interval_scores[name]:.3f}" for name in measured),
                f"{each.right_prongs} of {each.all_prongs}",
            )
            for each in self.standings
        )
        headings = [QUANTITIES[name].partition(" [")[0] for name in measured]
        columns = ("answer", "boxes", "log score", *headings, "prongs")
        return Table("The metric is the log score", columns, rows, left=1, notes=_NOTES)

    def details(self) -> Table:
        """Return one line for each answer to each box, with pulls."""
        measured = [name for name in QUANTITIES if name in self._measured]
        rows = tuple(
            (
                each.name,
                each.box,
                "signal" if each.signal else "empty",
                "-" if each.p_value is None else f"{each.p_value:.2g}",
                f"{each.probability:.3g}",
                f"{each.log_score:.3f}",
                *(_said(each.quantities.get(name)) for name in measured),
                "/".join("-" if number is None else str(number) for number in each.prongs),
            )
            for each in self.answers
        )
        columns = ("answer", "box", "truth", "p", "P(signal)", "log score")
        headings = (*columns, *(QUANTITIES[name] for name in measured), "prongs")
        return Table("Answers, with pulls", headings, rows, left=3)

    @property
    def _measured(self) -> set[str]:
        return {name for each in self.answers for name in each.quantities}


def judge(
    answers: Sequence[tuple[Path, AnswerSheet]], keys: Sequence[tuple[Path, Key]]
) -> ChallengeScores:
    """Score answers by the keys of their boxes.

    An answer belongs to the key whose commitment it carries; one that carries none, to the key of
    the box with its name. The answers of one name are those of one contestant, for whom a box
    without an answer counts as one of probability 1/2.

    Parameters
    ----------
    answers : sequence of (Path, AnswerSheet)
        With their files.
    keys : sequence of (Path, Key)
        With their files.

    Raises
    ------
    InputError
        If an answer has no key, two answers are of the same name and box, or two keys are alike.
    """
    by_commitment = _keys_by_commitment(keys)
    given: dict[str, dict[str, tuple[Path, AnswerSheet]]] = {}
    for path, sheet in answers:
        commitment = _commitment(path, sheet, by_commitment)
        of_name = given.setdefault(sheet.name, {})
        if commitment in of_name:
            msg = (
                f"{path}: {sheet.name!r} has answered box {sheet.box.name!r} in "
                f"{of_name[commitment][0]} already; leave one out, or change its name"
            )
            raise InputError(msg)
        of_name[commitment] = path, sheet
    scored = tuple(
        _scored(name, key, None if commitment not in sheets else sheets[commitment][1])
        for name, sheets in given.items()
        for commitment, key in by_commitment.items()
    )
    standings = [_standing(name, [each for each in scored if each.name == name]) for name in given]
    standings.sort(key=lambda each: (-each.log_score, sum(each.interval_scores.values())))
    return ChallengeScores(tuple(standings), scored)


def _keys_by_commitment(keys: Sequence[tuple[Path, Key]]) -> dict[str, Key]:
    found: dict[str, Key] = {}
    for path, key in keys:
        commitment = key.commitment
        if commitment in found:
            msg = f"{path}: this key is given twice; give each once"
            raise InputError(msg)
        found[commitment] = key
    return found


def _commitment(path: Path, sheet: AnswerSheet, keys: Mapping[str, Key]) -> str:
    """Return the commitment of the key that an answer belongs to."""
    if sheet.box.commitment is not None:
        if sheet.box.commitment in keys:
            return sheet.box.commitment
        msg = (
            f"{path}: no key matches box {sheet.box.name!r} with the commitment "
            f"{sheet.box.commitment[:12]}…: give its key with --key; if you did, the key was "
            "changed after the box was sealed"
        )
        raise InputError(msg)
    named = [commitment for commitment, key in keys.items() if key.box == sheet.box.name]
    if len(named) != 1:
        boxes = ", ".join(sorted(repr(key.box) for key in keys.values()))
        msg = (
            f"{path}: box {sheet.box.name!r} is not told by its name among the boxes of the keys, "
            f"{boxes}; write the box's commitment into box.commitment"
        )
        raise InputError(msg)
    return named[0]


def _scored(name: str, key: Key, sheet: AnswerSheet | None) -> BoxScore:
    """Return the score of one answer to one box, or of none."""
    truth = key.truth
    probability = 0.5 if sheet is None else sheet.probability
    return BoxScore(
        name=name,
        box=key.box,
        commitment=key.commitment,
        signal=truth.signal,
        claimed=None if sheet is None else sheet.signal_found,
        p_value=None if sheet is None else sheet.p_value,
        probability=probability,
        log_score=log_score(probability, signal=truth.signal),
        quantities=_quantities(truth, sheet),
        prongs=(None, None) if sheet is None else sheet.prongs,
        true_prongs=tuple(
            None if one is None else one.prongs for one in (truth.heavier, truth.lighter)
        ),
    )


def _quantities(truth: Truth, sheet: AnswerSheet | None) -> dict[str, QuantityScore]:
    """Return the scores of all quantities that the truth has."""
    if not truth.signal:
        return {}
    true: dict[str, float | None] = {
        "resonance_mass": truth.resonance_mass,
        "n_signal": float(truth.n_signal),
        "heavier_mass": None if truth.heavier is None else truth.heavier.mass,
        "lighter_mass": None if truth.lighter is None else truth.lighter.mass,
    }
    said: dict[str, Measured | None] = {}
    if sheet is not None:
        said = {
            "resonance_mass": sheet.resonance_mass,
            "n_signal": sheet.n_signal,
            "heavier_mass": _mass_of(sheet.heavier_daughter),
            "lighter_mass": _mass_of(sheet.lighter_daughter),
        }
    return {
        name: _quantity(said.get(name), value) for name, value in true.items() if value is not None
    }


def _mass_of(daughter: Daughter | None) -> Measured | None:
    return None if daughter is None else daughter.mass


def _quantity(said: Measured | None, truth: float) -> QuantityScore:
    if said is None:
        return QuantityScore(None, None, truth, None, SAYS_NOTHING)
    value, error = said.value, said.error
    pull = None if error is None else (value - truth) / error
    return QuantityScore(value, error, truth, pull, interval_score(value, error, truth))


def _standing(name: str, scored: Sequence[BoxScore]) -> Standing:
    """Return the means over the boxes of one who answered."""
    intervals = {
        quantity: float(np.mean(found))
        for quantity in QUANTITIES
        if (
            found := [
                x.quantities[quantity].interval_score for x in scored if quantity in x.quantities
            ]
        )
    }
    prongs = [
        (said, true)
        for each in scored
        for said, true in zip(each.prongs, each.true_prongs, strict=True)
        if true is not None
    ]
    return Standing(
        name=name,
        answered=sum(each.claimed is not None for each in scored),
        boxes=len(scored),
        log_score=float(np.mean([each.log_score for each in scored])),
        interval_scores=intervals,
        right_prongs=sum(said == true for said, true in prongs),
        all_prongs=len(prongs),
    )


def _said(found: QuantityScore | None) -> str:
    """Return a number with its pull in words."""
    if found is None or found.value is None:
        return "-"
    if found.pull is None:
        return f"{found.value:.0f}"
    return f"{found.value:.0f} ± {found.error:.0f} ({found.pull:+.1f}σ)"
