"""The answer to a box: what the form of the LHC Olympics asked for, as a file that is checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ...core import InputError, Record
from ...core.files.json_values import json_value
from .score_rules import probability_of_signal

__all__ = [
    "ANSWER",
    "JETS",
    "AnswerSheet",
    "AnsweredBox",
    "Daughter",
    "Measured",
    "answer_schema",
    "read_answer",
]

ANSWER, JETS = "answer.json", "answer_jets.json"
"""Files of the answer in the folder of a run: the sheet, and both jet masses to be drawn."""

_SCHEMA = "schemas/answer.schema.json"


@dataclass(frozen=True)
class Measured(Record):
    """A number with its standard deviation, which may be unknown."""

    value: float
    error: float | None = None

    def said(self, unit: str = "") -> str:
        """Return both in words."""
        error = "" if self.error is None else f" ± {self.error:.0f}"
        return f"{self.value:.0f}{error}{unit and f' {unit}'}"


@dataclass(frozen=True)
class Daughter(Record):
    """What the resonance decays to: mass in GeV, and quarks or gluons in its jet."""

    mass: Measured | None
    prongs: int | None = None


@dataclass(frozen=True)
class AnsweredBox(Record):
    """Which box: its name, and the commitment that is stored in it."""

    name: str
    commitment: str | None = None


@dataclass(frozen=True)
class AnswerSheet(Record):
    """An answer (arXiv:2101.08320, section 2), as ``answer.json`` holds it.

    Attributes
    ----------
    name : str
        Who answers.
    box : AnsweredBox
        Which box.
    signal_found : bool
        Whether a new particle is claimed; all that follows its p-value is None if not.
    p_value : float or None
        Global p-value of no new particle; None where there is no result.
    p_value_is_limit : bool
        It is at most that.
    probability_of_signal : float or None
        What the answerer believes; see `probability`.
    resonance_mass : Measured or None
        In GeV.
    heavier_daughter, lighter_daughter : Daughter or None
        What it decays to.
    n_signal : Measured or None
        Signal events in the box before any selection.
    decay_modes : tuple of str
        In words.
    abstract : str
        A paragraph.
    notes : tuple of str
        What a reader must know of the numbers.
    key : str or None
        Hash of the result that it was made of.

    Examples
    --------
    >>> sheet = AnswerSheet("cut and count", AnsweredBox("box 1"), False, 0.4)
    >>> round(sheet.probability, 2)
    0.41
    """

    made_by = "'overdensity challenge answer'"
    by_hand = True

    name: str
    box: AnsweredBox
    signal_found: bool
    p_value: float | None
    p_value_is_limit: bool = False
    probability_of_signal: float | None = None
    resonance_mass: Measured | None = None
    heavier_daughter: Daughter | None = None
    lighter_daughter: Daughter | None = None
    n_signal: Measured | None = None
    decay_modes: tuple[str, ...] = ()
    abstract: str = ""
    notes: tuple[str, ...] = ()
    key: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the sheet as plain JSON values, with the number of its schema."""
        return {"schema": self.schema, **super().to_dict()}

    @property
    def probability(self) -> float:
        """The probability of a signal: the one given, or what the p-value makes of even odds."""
        given = self.probability_of_signal
        return probability_of_signal(self.p_value) if given is None else given

    @property
    def prongs(self) -> tuple[int | None, int | None]:
        """Prongs of the heavier and of the lighter daughter."""
        both = self.heavier_daughter, self.lighter_daughter
        heavier, lighter = (None if one is None else one.prongs for one in both)
        return heavier, lighter


@cache
def answer_schema() -> dict[str, Any]:
    """Return the JSON schema of an answer (Draft 2020-12)."""
    text = files(__package__ or "").joinpath(_SCHEMA).read_text(encoding="utf-8")
    return json.loads(text)


def read_answer(path: Path) -> AnswerSheet:
    """Read an answer, whoever wrote it.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, or does not follow the schema: the sentence names the
        key that is wrong.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise InputError(msg) from None
    except IsADirectoryError:
        msg = f"{path} is a folder; give the answer in it, such as {path / ANSWER}"
        raise InputError(msg) from None
    values = json_value(text, origin=str(path))
    wrong = best_match(Draft202012Validator(answer_schema()).iter_errors(values))
    if wrong is not None:
        place = ".".join(str(part) for part in wrong.absolute_path)
        what = f"{place}: {wrong.message}" if place else wrong.message
        if "signal_found" not in place and _is_claimed_without_signal(values, place):
            what = f"{place} is given although signal_found is false; set one of them right"
        msg = f"{path}: not an answer sheet of schema 1: {what}"
        raise InputError(msg)
    return AnswerSheet.from_dict(values)


def _is_claimed_without_signal(values: Any, place: str) -> bool:
    """Return whether a key is refused only since no signal is claimed."""
    if not isinstance(values, dict) or values.get("signal_found") is not False:
        return False
    claimed = values | {"signal_found": True}
    errors = Draft202012Validator(answer_schema()).iter_errors(claimed)
    return bool(place) and not any(errors)
