"""A suite from its pool to its table; how it goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from overdensity.core import FitError, InputError, OverdensityError
from overdensity.workflow.challenge.answer_sheet import read_answer
from overdensity.workflow.suite import suite_run
from overdensity.workflow.suite.suite_result import SuiteResult
from overdensity.workflow.suite.suite_run import BoxSearch, run_suite

from .conftest import suite_of, suite_values


def bytes_of(folder: Path) -> dict[str, bytes]:
    """What a suite with a seed must make again: boxes, keys, answers and result."""
    files = [
        *folder.glob("boxes/*"),
        *folder.glob("keys/*.key.json"),
        *folder.glob("answers/*/*"),
        *folder.glob("suite.[jm]*"),
    ]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_strong_signal_is_found_and_a_box_without_is_quiet(finished_suite: Path) -> None:
    result = SuiteResult.from_json(finished_suite / "suite.json")
    none, _, strong = result.rates
    assert (none.boxes, none.strength, strong.boxes, strong.strength) == (2, None, 1, 15.0)
    assert (none.claimed, strong.claimed, strong.near) == (0, 1, 1)
    assert strong.median_p < 1e-3
    assert [each.answered for each in result.standings] == [4]
    (found,) = [each for each in result.answers if each.strength == 15]
    mass = found.score.quantities["resonance_mass"]
    assert mass.truth != 3800.0
    assert mass.value == pytest.approx(mass.truth, rel=0.05)
    assert found.score.quantities["heavier_mass"].truth == pytest.approx(500 * mass.truth / 3800)


def test_an_answer_carries_the_commitment_and_scores_are_gone(finished_suite: Path) -> None:
    sheets = [read_answer(path) for path in finished_suite.glob("answers/cwola/*.json")]
    assert len({sheet.box.commitment for sheet in sheets} - {None}) == 4
    assert not list(finished_suite.glob("searches/*/*/scores"))


def test_a_suite_that_was_stopped_goes_on_to_the_same_bytes_with_another_number_of_workers(
    finished_suite: Path, suite_pool: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_suite, tmp_path / "suite"))
    before = bytes_of(folder)
    (folder / "boxes" / "box03.parquet").unlink()  # its key is there: stopped between the two
    for path in (*folder.glob("answers/*/box0[23]*"), *folder.glob("suite.*")):
        path.unlink()
    shutil.rmtree(folder / "searches" / "cwola" / "box02")
    kept = next(folder.glob("answers/cwola/box01*")).stat().st_mtime_ns
    run_suite(suite_of(suite_values(suite_pool, folder), "workers=1"))
    assert bytes_of(folder) == before
    assert next(folder.glob("answers/cwola/box01*")).stat().st_mtime_ns == kept


def test_what_is_done_is_not_done_again(
    finished_suite: Path, suite_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(finished_suite, tmp_path / "suite"))
    monkeypatch.setattr(suite_run, "connect", lambda *_: pytest.fail("a cluster was started"))
    run_suite(suite_of(suite_values(suite_pool, folder)))


def test_a_box_without_a_result_is_answered_as_such(
    finished_suite: Path, suite_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        msg = "2 of 3 fitted bins have events"
        raise FitError(msg)

    monkeypatch.setattr(suite_run, "make_results", fails)
    folder = Path(shutil.copytree(finished_suite, tmp_path / "suite"))
    config, path = suite_of(suite_values(suite_pool, folder)), tmp_path / "answer.json"
    suite_run.search_box(config, BoxSearch("cwola", "box01", 1), path)
    sheet = read_answer(path)
    assert (sheet.p_value, sheet.signal_found, sheet.probability) == (None, False, 0.5)
    assert sheet.notes == ("there is no result: 2 of 3 fitted bins have events",)
    assert sheet.box.commitment is not None


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["methods=[supervised]"], "learns from the truth"),
        (["methods=[sa_cwola]"], "methods.sa_cwola: method 'sa_cwola' needs simulation; name simu"),
        (["methods=[cwolla]"], "'cwola'"),
        (["search.selectons=[0.1]"], "search: unknown key 'selectons': did you mean 'selections'?"),
        (["search.features=[j1_msas]"], "pool: qcd has no column 'j1_msas'"),
        (
            ["boxes.masses=[2000, 3000]"],
            "a resonance of 2000 GeV is not in the range of the search",
        ),
        (["pool.backgrounds.qcd=nowhere.parquet"], "nowhere.parquet: no such file, which pool.b"),
        (["boxes.events=6000"], "5000 events of qcd can be drawn, and a box needs"),
        (["boxes.strengths=[200]"], "boxes.strengths: S/√B = 200 is "),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    overrides: list[str], says: str, values: dict[str, Any]
) -> None:
    with pytest.raises(OverdensityError) as refused:
        run_suite(suite_of(values, *overrides))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(Path(values["out"]).glob("boxes/*"))


def test_boxes_of_another_suite_are_not_searched(
    finished_suite: Path, suite_pool: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_suite, tmp_path / "suite"))
    with pytest.raises(InputError, match="sealed with another pool, boxes or seed"):
        run_suite(suite_of(suite_values(suite_pool, folder), "boxes.smearing=0.1"))


@pytest.mark.slow(seconds=25)
def test_a_suite_that_was_killed_goes_on_to_the_same_bytes(
    finished_suite: Path, suite_pool: Path, tmp_path: Path
) -> None:
    values = suite_values(suite_pool, tmp_path / "suite")
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    words = [
        sys.executable,
        "-m",
        "overdensity",
        "challenge",
        "suite",
        str(tmp_path / "suite.yaml"),
    ]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def until(done: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 120
        while not done():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)

    first = start()
    until(lambda: list(tmp_path.glob("suite/answers/*/*.json")), first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (tmp_path / "suite" / "suite.json").exists()
    assert start().wait() == 0
    assert json.loads((tmp_path / "suite" / "suite.json").read_text())["rates"]
    assert bytes_of(tmp_path / "suite") == bytes_of(finished_suite)
