from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.workflow.challenge.answer_sheet import AnsweredBox, AnswerSheet
from overdensity.workflow.challenge.contest import check_box, score_answers
from overdensity.workflow.challenge.judging import ChallengeScores
from overdensity.workflow.challenge.key import Key, read_key

from .conftest import Sealed
from .test_answer_sheet import FOUND, NOTHING

Seal = Callable[..., Sealed]


def answered(sheet: AnswerSheet, key: Key, path: Path) -> Path:
    """Write an answer to the box of a key."""
    return dataclasses.replace(sheet, box=AnsweredBox(key.box, key.commitment)).to_json(path)


def test_boxes_are_scored_from_their_files(seal: Seal, tmp_path: Path) -> None:
    full, empty = seal("full"), seal("empty", background=200, signal=0)
    sheets = [
        answered(FOUND, full[2], tmp_path / "a.json"),
        answered(NOTHING, empty[2], tmp_path / "b.json"),
    ]
    out = tmp_path / "scores"
    scores, figures = score_answers(sheets, [full[1], empty[1]], [full[0], empty[0]], out)
    assert ChallengeScores.from_json(out / "scores.json") == scores
    assert [each.log_score > -0.6 for each in scores.answers] == [True, True]
    (figure,) = figures  # of the box with a signal
    assert figure.is_file()
    assert figure.name.startswith("answers_full_")


def test_a_key_that_does_not_match_its_box_is_refused(seal: Seal, tmp_path: Path) -> None:
    one, two = seal("one"), seal("two")
    with pytest.raises(InputError, match=r"one\.key\.json does not match .*two\.h5"):
        check_box(two[0], [(one[1], read_key(one[1]))])
    sheet = answered(NOTHING, one[2], tmp_path / "a.json")
    with pytest.raises(InputError, match="does not match"):
        score_answers([sheet], [one[1]], [two[0]], tmp_path / "scores")
    assert not (tmp_path / "scores").exists()
    assert check_box(two[0], [(one[1], one[2]), (two[1], two[2])]) == two[2]


def test_a_key_that_was_changed_later_opens_nothing(seal: Seal, tmp_path: Path) -> None:
    box, path, key = seal()
    path.write_text(path.read_text().replace("3823", "3500"))
    sheet = answered(NOTHING, key, tmp_path / "a.json")
    with pytest.raises(InputError, match="changed after the box was sealed"):
        score_answers([sheet], [path], [], tmp_path / "scores")
    with pytest.raises(InputError, match="does not match"):
        score_answers([sheet], [path], [box], tmp_path / "scores")


def test_scores_that_cannot_be_written_are_one_sentence(seal: Seal, tmp_path: Path) -> None:
    _, path, key = seal()
    sheet = answered(NOTHING, key, tmp_path / "a.json")
    shutil.copy(sheet, tmp_path / "scores")  # a file in the place of the folder
    with pytest.raises(InputError, match="scores: cannot be written"):
        score_answers([sheet], [path], [], tmp_path / "scores")
