from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.simulation import DaughterFacts, ProcessFacts
from overdensity.workflow.challenge.answer_sheet import AnsweredBox, AnswerSheet
from overdensity.workflow.challenge.judging import ChallengeScores, judge
from overdensity.workflow.challenge.key import Key
from overdensity.workflow.challenge.score_rules import SAYS_NOTHING

from .test_answer_sheet import FOUND, NOTHING
from .test_key import QCD, X, key_of

Y = DaughterFacts("Y", 100.0, 2)
SIGNAL = ProcessFacts("signal", True, 500, 3500.0, (X, Y), "Z' → X Y")
FULL = dataclasses.replace(key_of(QCD, SIGNAL), box="full")
EMPTY = dataclasses.replace(key_of(QCD), box="empty")
KEYS = [(Path("full.json"), FULL), (Path("empty.json"), EMPTY)]


def answer(sheet: AnswerSheet, key: Key, name: str = "cwola") -> tuple[Path, AnswerSheet]:
    box = AnsweredBox(key.box, key.commitment)
    return Path(f"{name}-{key.box}.json"), dataclasses.replace(sheet, name=name, box=box)


@pytest.fixture
def scores() -> ChallengeScores:
    return judge(
        [
            answer(NOTHING, FULL, "blind"),
            answer(FOUND, FULL, "good"),
            answer(NOTHING, EMPTY, "good"),
            answer(FOUND, EMPTY, "hasty"),
        ],
        KEYS,
    )


def test_pulls_are_those_of_the_paper(scores: ChallengeScores) -> None:
    (good,) = [each for each in scores.answers if (each.name, each.box) == ("good", "full")]
    assert good.quantities["resonance_mass"].pull == pytest.approx(0.0)
    assert good.quantities["n_signal"].pull == pytest.approx((600 - 500) / 90)
    assert good.quantities["heavier_mass"].pull == pytest.approx(3 / 7)
    assert good.quantities["lighter_mass"].pull is None  # without an error there is none
    assert (good.prongs, good.true_prongs) == ((2, None), (2, 2))


def test_the_metric_is_the_mean_log_score_over_all_boxes(scores: ChallengeScores) -> None:
    standings = {each.name: each for each in scores.standings}
    p = NOTHING.probability
    assert standings["good"].log_score == pytest.approx((np.log(0.999) + np.log(1 - p)) / 2)
    assert standings["blind"].log_score == pytest.approx((np.log(p) + np.log(0.5)) / 2)
    assert standings["hasty"].log_score == pytest.approx((np.log(1 - 0.999) + np.log(0.5)) / 2)
    assert [each.name for each in scores.standings] == ["good", "blind", "hasty"]
    assert [standings[name].answered for name in ("good", "blind", "hasty")] == [2, 1, 1]


def test_numbers_count_where_there_is_a_signal_alone(scores: ChallengeScores) -> None:
    standings = {each.name: each for each in scores.standings}
    assert standings["hasty"].interval_scores["resonance_mass"] == SAYS_NOTHING  # of the full box
    assert standings["good"].interval_scores["resonance_mass"] == pytest.approx(40 / 3500)
    assert (standings["good"].right_prongs, standings["good"].all_prongs) == (1, 2)
    assert not any(each.quantities for each in scores.answers if not each.signal)


def test_a_table_has_a_line_for_each_who_answered(scores: ChallengeScores) -> None:
    text = str(scores)
    assert text.index("good") < text.index("blind") < text.index("hasty")
    assert "3500 ± 20 (+0.0σ)" in scores.details().text()
    assert ChallengeScores.from_dict(json.loads(json.dumps(scores.to_dict()))) == scores


def test_a_box_may_be_told_by_its_name() -> None:
    path, sheet = answer(NOTHING, EMPTY)
    sheet = dataclasses.replace(sheet, box=AnsweredBox("empty"))
    assert judge([(path, sheet)], KEYS).standings[0].answered == 1
    sheet = dataclasses.replace(sheet, box=AnsweredBox("emtpy"))
    with pytest.raises(InputError, match=r"box 'emtpy' is not told by its name.*'empty', 'full'"):
        judge([(path, sheet)], KEYS)


def test_an_answer_without_its_key_is_refused() -> None:
    with pytest.raises(InputError, match=r"cwola-full.json: no key matches box 'full'"):
        judge([answer(FOUND, FULL)], KEYS[1:])


def test_a_changed_key_is_refused() -> None:
    changed = dataclasses.replace(FULL, processes=(QCD,))
    with pytest.raises(InputError, match="changed after the box was sealed"):
        judge([answer(FOUND, FULL)], [(Path("full.json"), changed)])


def test_answers_and_keys_count_once() -> None:
    twice = [answer(FOUND, FULL), answer(NOTHING, FULL)]
    with pytest.raises(InputError, match=r"'cwola' has answered box 'full' in cwola-full.json"):
        judge(twice, KEYS)
    with pytest.raises(InputError, match=r"full.json: this key is given twice"):
        judge(twice[:1], [*KEYS, KEYS[0]])
