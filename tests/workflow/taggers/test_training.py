"""A tagger from files: what it is trained on, and what is refused before."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.evaluation.metrics import auc
from overdensity.ml.tagging.tagger_file import load_tagger
from overdensity.ml.training.watching import Watch
from overdensity.workflow.taggers.training import labelled_jets, train_to_file

from .conftest import SMALL, write_jets


def test_an_event_may_have_several_jets(jet_file: Path, tmp_path: Path) -> None:
    both = [str(jet_file), str(write_jets(tmp_path / "second.parquet", 300))]  # of equal ids
    assert len(labelled_jets(both, ("constituents",), "mjj")) == 800


def test_what_was_trained_is_in_the_file(tagger_file: Path, tmp_path: Path) -> None:
    other = labelled_jets([str(write_jets(tmp_path / "b.parquet", 300, first=9000))], ("constituents",), "mjj")  # fmt: skip
    assert auc(load_tagger(tagger_file).score(other), other.label) > 0.85


def test_a_training_begins_with_a_file(tagger_file: Path, jet_file: Path, tmp_path: Path) -> None:
    kind, _ = train_to_file(
        [str(jet_file)],
        tmp_path / "tuned",
        columns=("constituents",),
        kind=None,
        overrides=("training.epochs=1", "training.learning_rate=1e-5"),
        start=tagger_file,
    )
    assert kind == "pfn"
    old, new = load_tagger(tagger_file), load_tagger(tmp_path / "tuned")
    assert (new.hyper.phi, new.hyper.training.epochs) == (old.hyper.phi, 1)
    jets = labelled_jets([str(jet_file)], ("constituents",), "mjj")
    np.testing.assert_allclose(new.score(jets), old.score(jets), atol=0.02)


def test_an_interrupted_training_goes_on_and_ends_as_it_would_have(
    jet_file: Path,
    tagger_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out, epochs = tmp_path / "prongs.tagger", []

    def interrupted(watch: Watch, number: int) -> None:
        epochs.append(number)
        if len(epochs) == 5:
            raise KeyboardInterrupt

    def train() -> None:
        columns = ("constituents",)
        train_to_file([str(jet_file)], out, columns=columns, kind="pfn", overrides=SMALL)

    monkeypatch.setattr("overdensity.ml.training.engine._CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(Watch, "passed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train()
    assert [path.name for path in tmp_path.iterdir()] == ["prongs.tagger.unfinished"]
    monkeypatch.setattr("overdensity.core.progress_bar._LOG_EVERY", 0.0)
    with caplog.at_level(logging.INFO):
        train()
    assert "training pfn: 3 of 8 epochs" in caplog.text  # at once
    assert [path.name for path in tmp_path.iterdir()] == ["prongs.tagger"]
    jets = labelled_jets([str(jet_file)], ("constituents",), "mjj")
    assert np.array_equal(load_tagger(out).score(jets), load_tagger(tagger_file).score(jets))


def test_a_wrong_word_is_refused_before_jets_are_read(tmp_path: Path) -> None:
    def refused(error: type[Exception], said: str, kind: str, *overrides: str) -> None:
        with pytest.raises(error, match=said):
            train_to_file(["none"], tmp_path / "x", columns=("c",), kind=kind, overrides=overrides)
        assert not list(tmp_path.iterdir())

    refused(ConfigError, "'trees' reads no constituents; the taggers are", "trees")
    refused(ConfigError, "no hyperparameter 'phy'", "pfn", "phy=[3]")
    refused(InputError, "none: no such file", "pfn")


def test_the_truth_is_no_column_to_learn_from(jet_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'label' is no feature, but the label of each event"):
        train_to_file(
            [str(jet_file)], tmp_path / "x", columns=("constituents", "label"), kind="pfn"
        )


def test_files_without_jets_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"empty.parquet: no jets in these files"):
        labelled_jets([str(write_jets(tmp_path / "empty.parquet", 0))], ("constituents",), "mjj")


def test_a_folder_in_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder; give the name of a file"):
        train_to_file(["none.parquet"], tmp_path, columns=("constituents",), kind="pfn")
    with pytest.raises(ConfigError, match="--columns: 'c' stands there twice"):
        train_to_file(["none.parquet"], tmp_path / "x", columns=("c", "c"), kind="pfn")


def test_jets_are_given_once(jet_file: Path, tmp_path: Path) -> None:
    copy = shutil.copy(jet_file, tmp_path / "copy.parquet")
    with pytest.raises(InputError, match=r"copy\.parquet: 500 of 1000 jets are equal to another"):
        labelled_jets([str(jet_file), str(copy)], ("constituents",), "mjj")
