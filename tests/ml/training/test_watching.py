from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from overdensity.ml import watch
from overdensity.ml.training.engine import seeded, train
from overdensity.ml.training.training_hyper import TrainingHyper

HYPER = TrainingHyper(epochs=5, batch=50, keep="last")


def fit(hyper=HYPER, validation=100, interrupt_after=None):
    x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    with seeded(1):
        module = torch.nn.Linear(2, 1)
    calls = 0

    def loss(module, x):
        nonlocal calls
        calls += 1
        if calls == interrupt_after:
            raise KeyboardInterrupt
        return (module(x).squeeze(-1) - x[:, 0]).square()

    rows = np.arange(300)
    done = train(
        module, loss, (x,), train=rows[validation:], validation=rows[:validation],
        hyper=hyper, seed=2,
    )  # fmt: skip
    return done, calls


def test_losses_of_trainings_are_seen_in_their_order():
    with watch() as seen:
        first, _ = fit()
        second, _ = fit(replace(HYPER, epochs=3))
    assert [curve.kept for curve in seen.curves] == [(4,), (2,)]
    for curve, done in zip(seen.curves, (first, second), strict=True):
        np.testing.assert_array_equal(curve.train, done.train_loss)
        np.testing.assert_array_equal(curve.validation, done.validation_loss)


def test_training_without_validation_has_no_such_curve():
    with watch() as seen:
        fit(validation=0)
    assert seen.curves[0].validation == ()


def test_interrupted_training_goes_on_and_ends_as_it_would_have(tmp_path, monkeypatch):
    monkeypatch.setattr("overdensity.ml.training.engine._CHECKPOINT_SECONDS", 0.0)
    straight, whole = fit()
    with pytest.raises(KeyboardInterrupt), watch(tmp_path):
        fit(interrupt_after=whole - 4)  # in the last epoch
    with watch(tmp_path) as seen:
        resumed, calls = fit()
    assert calls < whole / 2
    assert seen.curves[0].train == tuple(straight.train_loss)
    for name, value in straight.states[0].items():
        assert torch.equal(value, resumed.states[0][name])


def test_epochs_are_told_as_they_pass_and_those_of_an_interrupted_training_at_once(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("overdensity.ml.training.engine._CHECKPOINT_SECONDS", 0.0)
    before, after = [], []
    with pytest.raises(KeyboardInterrupt), watch(tmp_path, before.append):
        fit(interrupt_after=15)  # in the third epoch of 5 steps, each validated by one more
    with watch(tmp_path, after.append):
        fit()
    assert before == [1, 1]
    assert after == [2, 1, 1, 1]


def test_other_training_does_not_take_the_checkpoint(tmp_path):
    with watch(tmp_path):
        fit()
        fit(replace(HYPER, epochs=3))
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_without_a_watch_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit()
    assert not list(tmp_path.iterdir())
