from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from overdensity.core import InputError
from overdensity.workflow.challenge.answer_sheet import (
    AnsweredBox,
    AnswerSheet,
    Daughter,
    Measured,
    answer_schema,
    read_answer,
)

FOUND = AnswerSheet(
    name="cwola",
    box=AnsweredBox("box", "ab" * 32),
    signal_found=True,
    p_value=1e-6,
    probability_of_signal=0.999,
    resonance_mass=Measured(3500.0, 20.0),
    heavier_daughter=Daughter(Measured(503.0, 7.0), 2),
    lighter_daughter=Daughter(Measured(105.0, None), None),
    n_signal=Measured(600.0, 90.0),
    decay_modes=("resonance → a heavier particle of 503 ± 7 GeV",),
    abstract="An excess.",
)
NOTHING = AnswerSheet("cwola", AnsweredBox("box"), signal_found=False, p_value=0.4)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(answer_schema())


def test_schema_and_sheet_have_the_same_keys() -> None:
    fields = {field.name for field in dataclasses.fields(AnswerSheet)}
    assert set(answer_schema()["properties"]) == fields | {"schema"}


@pytest.mark.parametrize("sheet", [FOUND, NOTHING], ids=["found", "nothing"])
def test_a_sheet_survives_its_file(sheet: AnswerSheet, tmp_path: Path) -> None:
    assert read_answer(sheet.to_json(tmp_path / "answer.json")) == sheet


def test_what_a_form_asks_for_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "by_hand.json"
    values = {"schema": 1, "name": "PCA", "box": {"name": "bb1"}, "signal_found": True}
    path.write_text(json.dumps(values | {"p_value": 0.003, "resonance_mass": {"value": 3800}}))
    sheet = read_answer(path)
    assert sheet.resonance_mass == Measured(3800)
    assert sheet.prongs == (None, None)
    assert sheet.probability == pytest.approx(9.676 / 10.676, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"p_value": 1.5}, "p_value: 1.5 is greater than the maximum of 1"),
        ({"signal_found": "yes"}, "signal_found: 'yes' is not of type 'boolean'"),
        ({"resonance_mas": {"value": 1}}, "'resonance_mas' was unexpected"),
        ({"schema": 2}, "schema: 1 was expected"),
        ({"probability_of_signal": 1.0}, "probability_of_signal: 1.0 is greater than or equal"),
        ({"n_signal": {"value": 10, "error": 0}}, "n_signal"),
        ({"signal_found": False}, "is given although signal_found is false"),
        ({"box": {"name": "b", "commitment": "123"}}, "box.commitment"),
    ],
)
def test_what_the_schema_does_not_allow_is_named(
    change: dict[str, object], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(FOUND.to_dict() | change))
    with pytest.raises(InputError, match=f"answer.json: not an answer sheet.*{says}") as error:
        read_answer(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"), [("[]", "not of type 'object'"), ("{", "not a JSON file")]
)
def test_other_files_are_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=says):
        read_answer(tmp_path / "a.json")
    with pytest.raises(InputError, match="is a folder; give the answer in it"):
        read_answer(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_answer(tmp_path / "none.json")
