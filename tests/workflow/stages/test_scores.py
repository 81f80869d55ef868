"""Files of scores: which there are, what is in them, and what is said where they do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import LossCurve, Sample, Watch, fold_of
from overdensity.processors.columns.checked_table import write_checked
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import (
    are_intact,
    read_scores,
    read_signal_scores,
    read_trainings,
    score_files,
    signal_score_files,
    write_scores,
)

from ...conftest import make_box


@pytest.fixture
def run(finished_run: Path, search_file: Path) -> Run:
    """Return the finished search, in this test's own folder."""
    shutil.copytree(finished_run / "scores", search_file.parent / "run" / "scores")
    return Run(load_config(search_file))


def sample(n: int) -> Sample:
    return Sample.from_arrays(np.full(n, 4e3), np.zeros((n, 1)), ["x"])


def test_every_window_and_fold_has_a_file_named_by_all_it_depends_on(run: Run) -> None:
    files = score_files(run)
    assert set(files) == {(window, fold) for window in range(3) for fold in range(3)}
    assert set(files.values()) == set((run.folder / "scores").iterdir())
    assert {path.stem.rpartition("-")[2] for path in files.values()} == {run.key("scores")}


def test_without_simulated_signal_there_are_no_files_of_it(run: Run) -> None:
    assert signal_score_files(run) == {}


def test_a_method_that_ignores_the_window_has_one_file_a_fold(search_file: Path) -> None:
    files = score_files(Run(load_config(search_file, ["method={name: pca}"])))
    assert len(files) == 9
    assert len(set(files.values())) == 3


def test_scores_are_those_of_the_events_in_their_order(run: Run) -> None:
    scores = read_scores(run)
    config = run.config
    assert np.array_equal(scores.fold, fold_of(scores.sample.event, config.folds, seed=config.seed))
    assert scores.values.shape == (3, len(scores.sample))
    table = pq.read_table(score_files(run)[1, 2])
    stored = dict(zip(table["event"].to_pylist(), table["score"].to_pylist(), strict=True))
    for row in np.flatnonzero(scores.fold == 2)[:50]:
        assert stored[int(scores.sample.event[row])] == scores.values[1, row]


def test_missing_scores_say_what_to_do(run: Run) -> None:
    score_files(run)[2, 1].unlink()
    with pytest.raises(InputError, match="run 'overdensity score' first"):
        read_scores(run)


def test_scores_of_other_events_are_refused(run: Run) -> None:
    path = score_files(run)[0, 0]
    write_checked(pq.read_table(path).slice(0, 7), path)
    with pytest.raises(InputError, match="holds 7 events, not those of the fold"):
        read_scores(run)


@pytest.fixture
def with_signal(search_file: Path, tmp_path: Path) -> Run:
    """Return a search with five simulated signal events, of which nothing is scored."""
    signal = make_box(tmp_path / "signal.parquet", background=0, signal=5, seed=1)
    return Run(load_config(search_file, [f"signal={signal}"]))


def test_scores_of_the_signal_are_one_row_a_fold(with_signal: Run) -> None:
    for (window, fold), path in signal_score_files(with_signal).items():
        write_scores(path, sample(5), np.full(5, 10 * window + fold, np.float32), Watch())
    found = read_signal_scores(with_signal, 2)
    assert found.values.tolist() == [[20.0] * 5, [21.0] * 5, [22.0] * 5]
    assert len(found.sample) == 5


def test_missing_or_short_scores_of_the_signal_are_refused(with_signal: Run) -> None:
    with pytest.raises(InputError, match="run 'overdensity score' again"):
        read_signal_scores(with_signal, 0)
    for path in signal_score_files(with_signal).values():
        write_scores(path, sample(4), np.zeros(4, np.float32), Watch())
    with pytest.raises(InputError, match="holds 4 of 5 events"):
        read_signal_scores(with_signal, 0)


def test_what_was_seen_of_a_training_lies_beside_its_scores(search_file: Path) -> None:
    run = Run(load_config(search_file))
    curve = LossCurve((1.0, 0.5), (1.1, 0.7), (1,))
    for (_, fold), path in score_files(run).items():
        seen = Watch(curves=[curve] * fold)
        write_scores(path, sample(3), np.zeros(3, np.float32), seen)
    found = read_trainings(run, 1)
    assert {fold: of.losses for fold, of in found.items()} == {
        fold: (curve,) * fold for fold in range(3)
    }
    assert all(of.reliability == () for of in found.values())


def test_damaged_scores_are_named_with_what_makes_them_again(run: Run) -> None:
    """One bit of them moved p_global from 0.44 to 0.18 or 0.97."""
    path = score_files(run)[0, 0]
    good = pq.read_table(path)
    scores = good["score"].to_numpy().copy()
    scores.view(np.uint32)[3] ^= 1 << 22
    pq.write_table(good.set_column(1, "score", pa.array(scores)), path)  # with the old checksum
    assert not are_intact(path)
    with pytest.raises(InputError, match=r"window00-fold0.*damaged.*run 'overdensity score' again"):
        read_scores(run)
    with pytest.raises(InputError, match="damaged"):
        read_trainings(run, 0)
