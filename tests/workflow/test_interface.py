"""What other programs rely on, as docs/interface.md says it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uproot
import yaml

import overdensity
from overdensity.workflow.commands import app

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "interface.md").read_text()
COMMANDS = {
    "simulate", "process", "score", "hunt", "run", "report", "limits", "calibrate", "combine",
    "benchmark", "methods", "processors", "features", "validate", "expect", "challenge",
    "tag", "stream",
}  # fmt: skip

Call = Callable[..., tuple[int, str, str]]


def stored(path: Path) -> Any:
    """Read strict JSON."""

    def refuse(name: str) -> None:
        pytest.fail(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_commands_have_their_names() -> None:
    named = {
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    } | {group.typer_instance.info.name for group in app.registered_groups if group.typer_instance}
    assert named == COMMANDS


def test_the_page_names_all_commands() -> None:
    sentence = re.search(r"has the commands(.*?)\. `python", PAGE, flags=re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) == COMMANDS


def test_results_have_the_best_mass_and_its_significances(finished_run: Path) -> None:
    results = stored(finished_run / "results.json")
    best = results["best"]
    for key in ("mass", "mass_error", "z_local", "p_local", "p_global"):
        assert isinstance(best[key], float)
        assert math.isfinite(best[key])
    assert isinstance(best["p_global_is_limit"], bool)
    assert all(isinstance(flag, str) for flag in results["flags"])
    assert all(window["low"] < window["center"] < window["high"] for window in results["windows"])


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf
@pytest.mark.parametrize("name", ["workspace.json", "workspace_shape.json"])
def test_the_workspace_is_one_of_pyhf(name: str, finished_run: Path) -> None:
    import warnings

    import pyhf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf's use of jsonschema
        workspace = pyhf.Workspace(stored(finished_run / name))
    assert workspace.get_measurement()["config"]["poi"] == "mu"
    if name == "workspace_shape.json":
        assert {"pass_00", "fail_00"} <= set(workspace.channels)


def test_the_datacard_has_its_histograms(finished_run: Path) -> None:
    card = (finished_run / "datacard.txt").read_text()
    assert "shapes * * datacard.root $CHANNEL/$PROCESS" in card
    with uproot.open(finished_run / "datacard.root") as file:
        assert {"pass/data_obs", "fail/data_obs", "pass/signal", "fail/background_00"} <= {
            key.partition(";")[0] for key in file
        }


def test_the_configuration_of_a_run_can_be_run_again(finished_run: Path) -> None:
    from overdensity.workflow import load_config

    again = load_config(finished_run / "config.yaml").model_dump(mode="json")
    assert again == yaml.safe_load((finished_run / "config.yaml").read_text())


def test_a_finished_run_is_read_from_python(finished_run: Path) -> None:
    best = overdensity.read_run(finished_run).best
    assert best is not None
    written = stored(finished_run / "results.json")["best"]
    assert (best.mass, best.p_global) == (written["mass"], written["p_global"])


def test_methods_are_listed_for_programs(call: Call) -> None:
    listed = json.loads(call("methods", "--json")[1])
    for method in listed:
        assert set(method) >= {"name", "needs", "source", "summary", "hyperparameters"}
        assert isinstance(method["hyperparameters"], dict)
        allowed = {"features", "constituents", "images", "simulation", "labels"}
        assert set(method["needs"]) <= allowed
    assert "cwola" in {method["name"] for method in listed}


def test_processors_and_features_are_listed_for_programs(call: Call) -> None:
    assert "dijet" in json.loads(call("processors", "--json")[1])
    for feature in json.loads(call("features", "--json")[1]):
        assert set(feature) >= {"name", "meaning", "dtype", "shape", "source"}
