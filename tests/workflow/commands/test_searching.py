from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Call = Callable[..., tuple[int, str, str]]


def test_run_ends_with_mass_and_both_significances(call: Call, search_file: Path) -> None:
    code, out, _ = call("run", search_file)
    assert code == 0
    last = out.strip().splitlines()[-1]
    assert last.startswith("mass 3")
    assert "local significance" in last
    assert "global significance" in last
    run = search_file.parent / "run"
    names = {"results.json", "workspace.json", "histograms.json", "report.html", "config.yaml"}
    names |= {"workspace_shape.json", "datacard.txt", "datacard.root", "written.json"}
    assert {path.name for path in run.iterdir()} == {*names, "scores"}


@pytest.mark.figures
def test_steps_one_by_one_give_what_run_gives(
    call: Call, search_file: Path, finished_run: Path
) -> None:
    run = search_file.parent / "run"
    assert call("score", search_file)[0] == 0
    assert call("hunt", search_file)[0] == 0
    assert not (run / "report.html").exists()
    assert call("report", run)[0] == 0
    stored, whole = (
        json.loads((folder / "results.json").read_text()) for folder in (run, finished_run)
    )
    assert stored["windows"] == whole["windows"]
    assert stored["best"] == whole["best"]
    assert (run / "report.html").stat().st_size > 100_000


def test_hunt_before_score_says_what_to_do(call: Call, search_file: Path) -> None:
    code, _, err = call("hunt", search_file)
    assert code == 2
    assert "run 'overdensity score' first" in err


def test_set_replaces_a_key(call: Call, search_file: Path) -> None:
    call("score", search_file, "--set", "scan.bins=8", "--set", "folds=4")
    stored = yaml.safe_load((search_file.parent / "run" / "config.yaml").read_text())
    assert stored["scan"]["bins"] == 8
    assert len(list((search_file.parent / "run" / "scores").iterdir())) == 2 * 4


def test_report_without_results_says_what_to_do(call: Call, tmp_path: Path) -> None:
    code, _, err = call("report", tmp_path)
    assert code == 2
    assert "run 'overdensity hunt' first" in err


def test_report_can_be_made_anew_from_a_copied_run(
    call: Call, finished_run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(finished_run, copy)
    (copy / "report.html").unlink()
    assert call("report", copy)[0] == 0
    assert (copy / "report.html").is_file()
