from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from overdensity.workflow import simulation_run
from overdensity.workflow.challenge.answer_sheet import AnsweredBox, read_answer
from overdensity.workflow.challenge.key import read_key
from overdensity.workflow.config.recipe import SimulationConfig

from ..challenge.conftest import drawn_events
from ..challenge.test_answer_sheet import FOUND, NOTHING
from ..suite.conftest import suite_values

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"preset": "bb1", "composition": {"qcd": 180, "signal": 20}}))
    return path


@pytest.fixture
def make(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> Callable[..., tuple[Path, Path]]:
    """Make a box by the command, with events that are drawn; returns box and key."""

    def drawn(config: SimulationConfig, *, key_file: bool, seed: int) -> None:
        assert key_file
        drawn_events(config.recipe, config.out, seed)

    monkeypatch.setattr(simulation_run, "run_simulation", drawn)

    def run(name: str = "box", *words: str) -> tuple[Path, Path]:
        box = tmp_path / f"{name}.h5"
        code, out, err = call("challenge", "make", recipe, "--out", box, *words)
        assert code == 0, err
        assert "signal" not in out  # nor how many there are
        return box, tmp_path / f"{name}.key.json"

    return run


def one_sentence(outcome: tuple[int, str, str]) -> str:
    """What a refused command says."""
    code, _, err = outcome
    assert code == 2
    assert err.startswith("error:")
    assert err.strip().count("\n") == 0
    return err


def test_a_box_is_made_verified_and_scored(
    make: Callable[..., tuple[Path, Path]], call: Call, tmp_path: Path
) -> None:
    box, key = make()
    assert call("challenge", "verify", box, "--key", key)[0] == 0
    sealed = AnsweredBox("box", read_key(key).commitment)
    sheets = [
        dataclasses.replace(sheet, name=name, box=sealed).to_json(tmp_path / f"{name}.json")
        for name, sheet in (("us", FOUND), ("them", NOTHING))
    ]
    words = ("--key", key, "--box", box, "--out", tmp_path / "scores")
    code, out, _ = call("challenge", "score", *sheets, *words)
    assert code == 0
    assert out.index("3500 ± 20") < out.index("log score: mean of ln P")
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())["standings"]
    assert len(list((tmp_path / "scores").glob("answers_box_*.png"))) == 1


def test_the_number_of_events_can_be_made_round(
    make: Callable[..., tuple[Path, Path]], recipe: Path, call: Call, tmp_path: Path
) -> None:
    recipe.write_text(recipe.read_text().replace("qcd: 180", "qcd: 217"))
    refused = one_sentence(call("challenge", "make", recipe, "--out", tmp_path / "a.h5"))
    assert "237 events" in refused
    assert "--total 230" in refused
    box, key = make("b", "--total", "200")
    assert len(pd.read_hdf(box)) == 200
    assert len(read_key(key).signal_rows) == 20


def test_a_key_of_another_box_is_one_sentence(
    make: Callable[..., tuple[Path, Path]], call: Call
) -> None:
    (box, _), (_, key) = make("one"), make("two")
    said = one_sentence(call("challenge", "verify", box, "--key", key))
    assert f"{key} does not match {box}" in said


def test_a_run_is_answered_and_the_report_shows_it(
    finished_run: Path, call: Call, tmp_path: Path
) -> None:
    run, sheet = Path(shutil.copytree(finished_run, tmp_path / "run")), tmp_path / "sheet.json"
    code, out, err = call("challenge", "answer", run, "--name", "us", "--out", sheet)
    assert code == 0, err
    assert read_answer(sheet) == read_answer(run / "answer.json")
    assert read_answer(sheet).abstract in out
    assert "The answer to the challenge" in (run / "report.html").read_text()


def test_what_cannot_be_used_is_one_sentence(
    finished_run: Path, recipe: Path, call: Call, tmp_path: Path
) -> None:
    wrong = tmp_path / "answer.json"
    wrong.write_text(json.dumps({"schema": 1, "name": "us"}))
    key = tmp_path / "none.json"
    for words, says in (
        (("answer", tmp_path), "no results.json there"),
        (("answer", finished_run, "--box", wrong), "not an HDF5 file"),
        (("make", recipe, "--out", tmp_path / "none" / "box.h5"), "no such folder"),
        (("make", tmp_path / "none.yaml", "--out", tmp_path / "box.h5"), "none.yaml"),
        (("score", wrong, "--key", key), "none.json: no such file"),
        (("score", wrong, "--key", wrong), "answer.json: Key has no field 'name'"),
        (("verify", wrong, "--key", key), "none.json: no such file"),
    ):
        assert says in one_sentence(call("challenge", *words))


def test_a_suite_prints_rates_and_scores(
    finished_suite: Path, suite_pool: Path, call: Call, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_suite, tmp_path / "suite"))
    (folder / "suite.json").unlink()
    file = tmp_path / "suite.yaml"
    file.write_text(yaml.safe_dump(suite_values(suite_pool, folder)))
    code, out, err = call("challenge", "suite", file)
    assert code == 0, err
    assert out.index("The metric is the log score") < out.index("Signals found in sealed boxes")
    assert f"written: {folder / 'suite.json'}" in out
    assert json.loads((folder / "suite.json").read_text())["rates"][0]["boxes"] == 2
    assert (folder / "suite.md").read_text().startswith("| method | S/√B | boxes | found |")
    refused = one_sentence(call("challenge", "suite", file, "--set", "boxes.events=5"))
    assert "another folder with --out" in refused
    assert "none.yaml: no such" in one_sentence(call("challenge", "suite", tmp_path / "none.yaml"))


@pytest.mark.slow(seconds=8)
def test_a_simulated_box_is_sealed(recipe: Path, call: Call, tmp_path: Path) -> None:
    recipe.write_text(yaml.safe_dump({"preset": "bb1", "composition": {"qcd": 25, "signal": 5}}))
    box, key = tmp_path / "box.h5", tmp_path / "key.json"
    words = ("--out", box, "--key", key, "--workers", "1")
    assert call("challenge", "make", recipe, *words)[0] == 0
    assert call("challenge", "verify", box, "--key", key)[0] == 0
    frame = pd.read_hdf(box)
    assert frame.shape == (30, 2100)
    opened = read_key(key)
    assert len(opened.signal_rows) == opened.truth.n_signal == 5
    assert (opened.truth.resonance_mass, opened.truth.heavier) == (
        3823,
        opened.processes[1].daughters[0],
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box.h5", "key.json", "recipe.yaml"]
