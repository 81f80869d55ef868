from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import uproot

Call = Callable[..., tuple[int, str, str]]


def test_simulate_writes_what_pandas_reads(simulated_events: Path) -> None:
    frame = pd.read_hdf(simulated_events)
    assert frame.shape == (50, 2101)
    assert frame[2100].sum() == 20
    report = json.loads(simulated_events.with_suffix(".simulation.json").read_text())
    assert report["recipe"]["seed"] == 4


def test_simulate_refuses_impossible_masses(call: Call, tmp_path: Path) -> None:
    code, _, err = call("simulate", tmp_path / "box.h5", "--zprime", 500, "--x", 400, "--y", 300)
    assert code == 2
    assert "choose x + y < zprime" in err
    assert not list(tmp_path.iterdir())


def test_another_shower_and_detector_give_other_events(call: Call, tmp_path: Path) -> None:
    multiplicity = {}
    for name, options in {
        "default": (),
        "other": ("--pythia", "TimeShower:alphaSvalue = 0.09", "--efficiency-scale", 0.9),
    }.items():
        out = tmp_path / f"{name}.h5"
        code, _, _ = call("simulate", out, "--background", 60, "--workers", 1, *options)
        assert code == 0
        multiplicity[name] = (pd.read_hdf(out).iloc[:, :2100:3] > 0).sum(axis=1).mean()
    assert multiplicity["other"] < 0.85 * multiplicity["default"]
    settings = json.loads((tmp_path / "other.simulation.json").read_text())
    assert settings["recipe"]["generator"]["pythia"] == ["TimeShower:alphaSvalue = 0.09"]
    assert settings["recipe"]["detector"]["efficiency_scale"] == 0.9


def test_a_setting_unknown_to_pythia_is_named(call: Call, tmp_path: Path) -> None:
    code, _, err = call(
        "simulate", tmp_path / "box.h5", "--background", 5, "--pythia", "No:such = 1"
    )
    assert code == 2
    assert "Pythia refuses the setting 'No:such = 1'" in err
    assert not list(tmp_path.iterdir())


def test_a_recipe_is_simulated_to_the_file_that_is_asked_for(call: Call, tmp_path: Path) -> None:
    out, words = tmp_path / "box.root", ("--workers", 1, "--seed", 3)
    code, said, _ = call(
        "simulate", "rnd", "--out", out, "--set", "composition={qcd: 3, signal: 2}", *words
    )
    assert code == 0
    assert "3 qcd and 2 signal events" in said
    with uproot.open(out) as file:
        assert file["events"]["label"].array().tolist().count(1) == 2
    recipe = json.loads(out.with_suffix(".simulation.json").read_text())["recipe"]
    assert (recipe["name"], recipe["seed"]) == ("rnd", 3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("bb9",), "no preset 'bb9', and no name of a .yaml, .h5 or .root file; presets are bb1"),
        (("none.yaml",), "none.yaml: no such recipe"),
        (("rnd", "--zprime", 3), "beside rnd say --set processes.NAME.masses.zprime=..."),
        (("rnd", "--set", "composition.signal=-1"), "events must be a whole number from 0 up"),
        (("rnd", "--set", "generator.pythia=['Tune:ppp = 3']"), "Pythia refuses the setting"),
        (("rnd", "--set", "composition={qcd: 0, signal: 0}"), "nothing to simulate"),
        (("rnd", "--out", "/proc/box.h5"), "/proc/box.h5: cannot be written"),
        (("bb3", "--set", "composition=null"), "composition says nothing of qcd and dijets and"),
        (("wprime", "--set", "processes.signal.mass=90"), "W' of 90 GeV cannot decay"),
        (("box.h5", "--set", "seed=3"), "--set goes with a recipe or a preset"),
        (("box.h5", "--background", 0), "nothing to simulate"),
    ],
)
def test_what_cannot_be_simulated_is_one_sentence(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call("simulate", *words)
    assert code == 2
    assert says in " ".join(err.split())
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
