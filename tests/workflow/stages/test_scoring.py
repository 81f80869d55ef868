"""What is trained and scored, and what is left as it is because it is there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
from distributed import Client

from overdensity.core import ConfigError, InputError
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.stages import scoring
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import score_files, signal_score_files
from overdensity.workflow.stages.scoring import make_scores, make_scores_here

from ...conftest import make_box

NOWHERE = cast("Client", None)  # no task is sent anywhere


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Run tasks here, and return those that were."""
    done: list[tuple[Any, ...]] = []

    def run_here(client, function, tasks, **_):
        for task in tasks:
            function(*task)
            done.append(task)

    monkeypatch.setattr(scoring, "run_tasks", run_here)
    return done


@pytest.fixture
def run(finished_run: Path, search_file: Path) -> Run:
    """Return the finished search, in this test's own folder."""
    shutil.copytree(finished_run / "scores", search_file.parent / "run" / "scores")
    return Run(load_config(search_file))


def test_what_is_there_is_not_made_again(run: Run, tasks) -> None:
    make_scores(run, NOWHERE)
    assert tasks == []


def test_only_the_missing_fold_is_trained_and_comes_out_the_same(run: Run, tasks) -> None:
    path = score_files(run)[1, 2]
    before = pq.read_table(path)
    path.unlink()
    make_scores(run, NOWHERE)
    assert [task[1:3] for task in tasks] == [(1, 2)]
    assert pq.read_table(path).equals(before)


def test_scores_of_other_settings_and_their_unfinished_trainings_are_removed(
    run: Run, tasks
) -> None:
    folder = run.folder / "scores"
    stale, unfinished = folder / "window00-fold0-old.parquet", folder / "window00-fold0-old.part"
    stale.touch()
    unfinished.mkdir()
    mine = folder / "mine.parquet"
    mine.touch()
    make_scores(run, NOWHERE)
    assert not stale.exists()
    assert not unfinished.exists()
    assert mine.exists()


def test_signal_is_scored_by_the_models_of_the_data(run: Run, tasks, tmp_path: Path) -> None:
    signal = make_box(tmp_path / "signal.parquet", background=0, signal=30, seed=1)
    pca = ["method={name: pca}", "folds=3", f"signal={signal}"]
    with_signal = Run(run.config.model_copy(update={"signal": (str(signal),)}))
    assert score_files(with_signal) == score_files(run)
    fast = Run(load_config(run.folder.parent / "search.yaml", pca))
    make_scores(fast, NOWHERE)
    assert len(tasks) == 3
    for path in signal_score_files(fast).values():
        assert pq.read_metadata(path).num_rows == 30


@pytest.mark.parametrize(
    ("overrides", "error", "complaint"),
    [
        (["features=[j1_mas]"], InputError, "no column 'j1_mas'"),
        (["method={name: idealised}"], ConfigError, "needs simulated background"),
        (["signal=none.parquet"], InputError, "none.parquet: no such file"),
    ],
)
def test_unusable_input_fails_before_anything_is_sent_out(
    overrides: list[str], error, complaint: str, search_file: Path, tasks
) -> None:
    run = Run(load_config(search_file, overrides))
    with pytest.raises(error, match=complaint):
        make_scores(run, NOWHERE)
    assert not (run.folder / "scores").exists()


def test_the_data_are_no_signal(search_file: Path, box: Path, tasks) -> None:
    run = Run(load_config(search_file, [f"signal={box}"]))
    with pytest.raises(InputError, match=r"events and signal: \d+ events are the same in both"):
        make_scores(run, NOWHERE)


def test_damaged_scores_are_made_again_with_one_log_line(
    run: Run, tasks, caplog: pytest.LogCaptureFixture
) -> None:
    path = score_files(run)[0, 1]
    before, content = pq.read_table(path), bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)
    make_scores(run, NOWHERE)
    assert [task[1:3] for task in tasks] == [(0, 1)]
    assert pq.read_table(path).equals(before)
    assert sum("it is made again" in message for message in caplog.messages) == 1


def test_scores_made_in_this_process_are_the_same(run: Run) -> None:
    path = score_files(run)[0, 1]
    before = pq.read_table(path)
    path.unlink()
    make_scores_here(run)
    assert pq.read_table(path).equals(before)


@pytest.mark.parametrize("scored", ["events.files", "signal"])
def test_files_that_the_method_has_learnt_are_not_scored(
    search_file: Path, tmp_path: Path, scored: str
) -> None:
    path, link = tmp_path / "box.parquet", tmp_path / "link.parquet"
    make_box(path, background=9000, signal=50, seed=1)
    link.symlink_to(path)
    learns = ["method={name: quak, priors: [" + str(link) + "]}", f"{scored}=[{path}]"]
    given = [
        *learns,
        f"simulation={make_box(tmp_path / 'mc.parquet', background=9000, signal=0, seed=2)}",
    ]
    key = scored.partition(".")[0]
    with pytest.raises(ConfigError, match=rf"^{key}: .*box.parquet is learnt by method 'quak'"):
        make_scores(Run(load_config(search_file, given)), NOWHERE)
