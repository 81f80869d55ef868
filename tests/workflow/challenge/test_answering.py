from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.workflow.challenge.answer_sheet import ANSWER, JETS, Measured, read_answer
from overdensity.workflow.challenge.answering import answer_run, write_answer
from overdensity.workflow.challenge.key import Secret
from overdensity.workflow.challenge.sealing import seal_columns

from .conftest import Sealed


@pytest.fixture(scope="module")
def answered(two_jets_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search of two jets with its answer, and a copy of the sheet beside it; not to be changed."""
    folder = tmp_path_factory.mktemp("answered")
    run = Path(shutil.copytree(two_jets_run, folder / "run"))
    write_answer(run, out=folder / "sheet.json", name="us")
    return run


@pytest.fixture
def run(two_jets_run: Path, tmp_path: Path) -> Path:
    """A copy of the search of two jets."""
    return Path(shutil.copytree(two_jets_run, tmp_path / "run"))


def change(run: Path, **values: object) -> None:
    """Change the results of a run."""
    path = run / "results.json"
    changed = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: changed[key] for key in changed if key != "checksum"}))


def test_the_sheet_has_what_the_olympics_asked_for(answered: Path) -> None:
    sheet = read_answer(answered / ANSWER)
    assert read_answer(answered.parent / "sheet.json") == sheet
    assert (answered / JETS).is_file()
    assert sheet.name == "us"
    assert sheet.signal_found
    assert sheet.p_value is not None
    assert sheet.p_value < 1e-3
    assert sheet.probability > 0.9
    assert sheet.prongs == (2, 3)
    for found, truth in (
        (sheet.resonance_mass, 3800.0),
        (sheet.n_signal, 200.0),
        (sheet.heavier_daughter and sheet.heavier_daughter.mass, 500.0),
        (sheet.lighter_daughter and sheet.lighter_daughter.mass, 200.0),
    ):
        assert found is not None
        assert found.error is not None
        assert found.value == pytest.approx(truth, abs=3 * found.error)
    assert sheet.decay_modes[1:] == (
        "heavier particle → 2 quarks or gluons",
        "lighter particle → 3 quarks or gluons",
    )


def test_the_abstract_is_made_of_the_figures(answered: Path) -> None:
    sheet = read_answer(answered / ANSWER)
    assert sheet.resonance_mass is not None
    for said in (
        "5200 events with mjj between 3000 and 5000 GeV",
        "cwola",
        f"excess at {sheet.resonance_mass.value:.0f} ±",
        f"{sheet.p_value:.2g}",
        *sheet.decay_modes,
    ):
        assert said in sheet.abstract
    assert "\n" not in sheet.abstract


def test_without_a_signal_the_sheet_says_so_and_has_no_masses(run: Path, tmp_path: Path) -> None:
    (run / JETS).touch()  # of an answer before
    sheet = write_answer(run, level=0.0)
    assert read_answer(run / ANSWER) == sheet
    assert not (run / JETS).exists()
    assert not sheet.signal_found
    assert sheet.p_value is not None
    assert (sheet.resonance_mass, sheet.heavier_daughter, sheet.n_signal) == (None, None, None)
    assert "No signal was found" in sheet.abstract
    assert f"p-value {sheet.p_value:.2g}" in sheet.abstract


def test_there_are_at_least_as_many_signal_events_as_were_selected(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    number = results["before_selection"]["passing_failing"]
    deficit = results["before_selection"] | {
        "passing_failing": number | {"value": -164.0, "error": 242.0}
    }
    change(run, before_selection=deficit)
    sheet, _ = answer_run(run)
    selected = results["best"]["n_signal"]
    assert selected > 0
    assert sheet.n_signal == Measured(selected, 242.0)
    assert f"About {selected:.0f} ± 242 signal events" in sheet.abstract
    assert any(
        f"gives -164 ± 242 signal events, fewer than the {selected:.0f}" in x for x in sheet.notes
    )


def test_a_run_whose_fits_fail_has_no_p_value(run: Path) -> None:
    change(run, best=None)
    sheet, jets = answer_run(run)
    assert (sheet.p_value, sheet.signal_found, jets) == (None, False, None)
    assert sheet.probability == 0.5
    assert "there is no result" in sheet.abstract


def test_what_may_not_be_quoted_is_not_answered(run: Path) -> None:
    from overdensity.workflow.stages.search_result import HIDES_SIGNAL

    change(run, flags=[HIDES_SIGNAL])
    with pytest.raises(InputError, match=r"results.json: not to be quoted.*fit.spurious: none"):
        answer_run(run)


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no results.json there; 'overdensity run' makes it"):
        answer_run(tmp_path)


def test_an_answer_carries_the_commitment_of_its_box(
    run: Path, seal: Callable[..., Sealed], tmp_path: Path
) -> None:
    box, _, key = seal("box7")
    sheet, _ = answer_run(run, box=box, level=0.0)
    assert (sheet.box.name, sheet.box.commitment) == ("box7", key.commitment)
    assert answer_run(run, level=0.0)[0].box.commitment is None  # columns know of no box
    with pytest.raises(InputError, match=r"none.h5: no such file"):
        answer_run(run, box=tmp_path / "none.h5")


def test_the_file_of_a_search_is_its_box(run: Path, seal: Callable[..., Sealed]) -> None:
    box, _, key = seal("box8")
    provenance = json.loads((run / "results.json").read_text())["provenance"]
    provenance["configuration"]["events"] |= {"files": [str(box)], "format": "auto"}
    change(run, provenance=provenance)
    sheet, _ = answer_run(run, level=0.0)
    assert (sheet.box.name, sheet.box.commitment) == ("box8", key.commitment)


def test_columns_that_were_sealed_are_their_box(run: Path, tmp_path: Path) -> None:
    provenance = json.loads((run / "results.json").read_text())["provenance"]
    events = provenance["configuration"]["events"]
    box = tmp_path / "box9.parquet"
    of_box = {"secret": Secret(1, "00"), "recipe": {}, "processes": ()}
    table = pq.read_table(events["files"][0])
    key = seal_columns(table, box, tmp_path / "k.json", signal_rows=np.array([2]), **of_box)
    events["files"] = [str(box)]
    change(run, provenance=provenance)
    sheet, _ = answer_run(run, level=0.0)
    assert (sheet.box.name, sheet.box.commitment) == ("box9", key.commitment)


def test_an_answer_that_cannot_be_written_is_one_sentence(run: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_answer(run, out=run / "results.json" / "answer.json", level=0.0)
    assert not (run / ANSWER).exists()
