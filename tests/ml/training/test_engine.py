from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError, FitError, InputError
from overdensity.ml.training import engine
from overdensity.ml.training.engine import seeded, train
from overdensity.ml.training.training_hyper import TrainingHyper
from overdensity.ml.training.watching import watch

HYPER = TrainingHyper(epochs=6, batch=64, learning_rate=1e-2)
N = 1000


def squared(module, x, y):
    return (module(x).squeeze(-1) - y).square()


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 3)).astype(np.float32)
    y = (x @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=N)).astype(np.float32)
    return x, y


def network(seed=1, dropout=0.1):
    with seeded(seed):
        return torch.nn.Sequential(
            torch.nn.Linear(3, 16),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(16, 1),
        )


def run(hyper=HYPER, columns=None, seed=3, module=None, **options):
    options = {"train": np.arange(800), "validation": np.arange(800, N)} | options
    columns = data() if columns is None else columns
    return train(module or network(), squared, columns, hyper=hyper, seed=seed, **options)


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_linear_regression_finds_the_least_squares_solution():
    x, y = data()
    module = torch.nn.Linear(3, 1)
    hyper = replace(HYPER, epochs=60, learning_rate=0.03, schedule="cosine", keep="last")
    run(hyper, (x, y), module=module)
    expected = np.linalg.lstsq(np.c_[x[:800], np.ones(800)], y[:800])[0]
    found = np.append(module.weight.detach().numpy(), module.bias.detach().numpy())
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_rate_of_one_cycle_rises_for_a_quarter_and_falls_to_nothing():
    hyper = replace(HYPER, epochs=8, learning_rate=0.5, schedule="one_cycle")
    rates = [engine._rate(hyper, epoch) for epoch in (0, 1, 2, 5, 8)]
    assert rates == pytest.approx([0.02, 0.26, 0.5, 0.25, 0])


def test_same_seed_repeats_exactly_and_another_does_not():
    first, again, other = run(), run(), run(seed=4)
    assert same(first.states[0], again.states[0])
    np.testing.assert_array_equal(first.validation_loss, again.validation_loss)
    assert not same(first.states[0], other.states[0])


def test_global_random_state_and_threads_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    run()
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads


def test_memory_maps_give_the_result_of_arrays(tmp_path):
    mapped = []
    for i, column in enumerate(data()):
        np.save(tmp_path / f"{i}.npy", column)
        mapped.append(np.load(tmp_path / f"{i}.npy", mmap_mode="r"))
    assert same(run(columns=mapped).states[0], run().states[0])


def test_size_of_blocks_does_not_change_the_result(monkeypatch):
    whole = run()
    monkeypatch.setattr("overdensity.ml.training.batches._BLOCK_ROWS", 100)
    assert same(run().states[0], whole.states[0])


def test_a_batch_in_parts_makes_the_step_of_the_whole():
    weight = np.random.default_rng(2).uniform(0.5, 2, N)
    largest = []

    def loss(module, x, y):
        largest.append(len(x))
        return squared(module, x, y)

    def trained(part):
        module = network(dropout=0.0)
        rows = {"train": np.arange(800), "validation": np.arange(800, N)}
        return train(module, loss, data(), hyper=HYPER, seed=3, weight=weight, part=part, **rows)

    whole, parts = trained(None), trained(10)
    assert max(largest) == 200
    del largest[:]
    assert trained(10).epochs == parts.epochs
    assert max(largest) <= 10
    np.testing.assert_allclose(parts.train_loss, whole.train_loss, rtol=1e-5)
    np.testing.assert_allclose(parts.validation_loss, whole.validation_loss, rtol=1e-4)


def test_masks_are_the_rows_they_mark():
    mask = np.arange(N) < 800
    assert same(run(train=mask, validation=~mask).states[0], run().states[0])


def test_every_event_is_learnt_from_once_an_epoch():
    seen = []

    def loss(module, x, y):
        if module.training:
            seen.append(y)
        return squared(module, x, y)

    x, _ = data()
    rows = np.arange(100, 750)
    train(
        network(),
        loss,
        (x, np.arange(N)),
        train=rows,
        validation=np.arange(100),
        hyper=replace(HYPER, epochs=2),
        seed=0,
    )
    one, two = torch.cat(seen).view(2, -1)
    assert sorted(one.tolist()) == sorted(two.tolist()) == rows.tolist()
    assert one.tolist() != two.tolist()
    assert max(map(len, seen)) <= HYPER.batch


def test_weight_two_is_as_good_as_two_events():
    x, y = data()
    hyper = replace(HYPER, batch=2 * N, keep="last")
    weight = np.where(np.arange(N) < 300, 2.0, 1.0)
    twice = np.r_[np.arange(N), np.arange(300)]
    none = np.array([], np.int64)
    options = {"hyper": hyper, "validation": none}
    weighted = run(train=np.arange(N), weight=5 * weight, module=network(dropout=0), **options)
    doubled = run(
        train=np.arange(len(twice)),
        columns=(x[twice], y[twice]),
        module=network(dropout=0),
        **options,
    )
    np.testing.assert_allclose(weighted.train_loss, doubled.train_loss, rtol=1e-4)


def test_kept_epochs_are_the_best_or_the_last():
    best = run(replace(HYPER, average=2))
    assert best.epochs == np.argsort(best.validation_loss, kind="stable")[:2].tolist()
    last = run(replace(HYPER, keep="last", average=3))
    assert last.epochs == [5, 4, 3]
    assert len(last.states) == 3


def test_module_is_left_with_the_first_kept_state_and_its_loss_is_the_one_returned():
    module = network()
    found = run(module=module)
    assert not module.training
    assert same(module.state_dict(), found.states[0])
    x, y = (torch.as_tensor(column[800:]) for column in data())
    with torch.no_grad():
        again = squared(module, x, y).mean().item()
    assert again == pytest.approx(found.validation_loss.min(), rel=1e-5)


def test_training_stops_when_patience_is_over():
    x, _ = data()
    noise = np.random.default_rng(1).normal(size=N).astype(np.float32)  # nothing to learn
    found = run(replace(HYPER, epochs=200, patience=3), (x, noise))
    best = found.validation_loss.argmin()
    assert len(found.validation_loss) == best + 4 < 200


def test_adadelta_makes_the_steps_of_torch():
    x, y = data()
    hyper = TrainingHyper(epochs=2, batch=N, learning_rate=0.5, keep="last", optimizer="adadelta")
    ours, theirs = network(dropout=0.0), network(dropout=0.0)
    everything = {"train": np.arange(N), "validation": np.arange(0)}
    run(hyper, module=ours, **everything)
    optimizer = torch.optim.Adadelta(theirs.parameters(), lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        squared(theirs, torch.as_tensor(x), torch.as_tensor(y)).mean().backward()
        optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


def test_clipped_gradients_move_weights_less():
    free, clipped = (
        run(replace(HYPER, epochs=1, clip=clip, keep="last"), columns=(data()[0], 1e3 * data()[1]))
        for clip in (0.0, 1e-12)  # far below the 1e-8 of Adam's denominator
    )
    start = network().state_dict()
    moved = [
        (found.states[0]["0.weight"] - start["0.weight"]).abs().max() for found in (free, clipped)
    ]
    assert moved[1] < 1e-2 * moved[0]


KILLED = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import test_engine, overdensity.ml.training.engine as training
training._CHECKPOINT_SECONDS = 0
keep, epochs = training._keep, []
def kill(where, *arguments):
    if len(where.train_loss) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    keep(where, *arguments)
training._keep = kill
test_engine.run(checkpoint=sys.argv[1])
"""


def test_killed_training_goes_on_with_identical_result(tmp_path):
    path = tmp_path / "checkpoint.pt"
    script = KILLED.format(folder=str(Path(__file__).parent))
    killed = subprocess.run([sys.executable, "-c", script, path], check=False)
    assert killed.returncode == -9
    assert len(torch.load(path, weights_only=True)["train_loss"]) == 3
    calls = []

    def counted(module, x, y):
        calls.append(module.training)
        return squared(module, x, y)

    options = {"train": np.arange(800), "validation": np.arange(800, N), "hyper": HYPER, "seed": 3}
    resumed = train(network(), counted, data(), checkpoint=path, **options)
    straight = run()
    assert sum(calls) == 3 * 13  # of six epochs, three were left
    assert same(resumed.states[0], straight.states[0])
    np.testing.assert_array_equal(resumed.train_loss, straight.train_loss)
    np.testing.assert_array_equal(resumed.validation_loss, straight.validation_loss)


def test_finished_checkpoint_returns_at_once_and_that_of_another_training_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pt"
    first = run(checkpoint=path)
    assert same(run(checkpoint=path).states[0], first.states[0])
    with pytest.raises(InputError, match="belongs to a training with other"):
        run(checkpoint=path, seed=4)
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match="not a checkpoint"):
        run(checkpoint=path)


def test_bad_input_is_one_clear_sentence():
    none = np.array([], np.int64)
    with pytest.raises(InputError, match="no event to learn from"):
        run(train=none)
    with pytest.raises(ConfigError, match="need validation events"):
        run(validation=none)
    with pytest.raises(InputError, match=r"one length, found \[1000, 999\]"):
        run(columns=(data()[0], data()[1][:-1]))
    with pytest.raises(FitError, match="training loss became nan in epoch 1"):
        run(columns=(data()[0], np.full(N, np.nan, np.float32)))
    with pytest.raises(ConfigError, match="average = 7 cannot be used"):
        replace(HYPER, average=7)


def test_a_training_whose_own_checkpoint_is_damaged_starts_anew(tmp_path, caplog):
    with watch(tmp_path):
        first = run()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    with watch(tmp_path):
        again = run()
    assert len(caplog.messages) == 1
    np.testing.assert_array_equal(first.train_loss, again.train_loss)
    file.write_bytes(b"")
    with pytest.raises(InputError, match="not a checkpoint"):
        run(checkpoint=file)
