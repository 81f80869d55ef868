from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

Call = Callable[..., tuple[int, str, str]]


def test_simulate_writes_what_pandas_reads(simulated_events: Path) -> None:
    frame = pd.read_hdf(simulated_events)
    assert frame.shape == (50, 2101)
    assert frame[2100].sum() == 20
    report = json.loads(simulated_events.with_suffix(".simulation.json").read_text())
    assert report["seed"] == 4


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
    assert settings["generator"]["pythia"] == ["TimeShower:alphaSvalue = 0.09"]
    assert settings["detector"]["efficiency_scale"] == 0.9


def test_a_setting_unknown_to_pythia_is_named(call: Call, tmp_path: Path) -> None:
    code, _, err = call(
        "simulate", tmp_path / "box.h5", "--background", 5, "--pythia", "No:such = 1"
    )
    assert code == 2
    assert "Pythia refuses the setting 'No:such = 1'" in err
    assert not list(tmp_path.iterdir())
