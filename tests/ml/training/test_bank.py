"""A bank of networks is its networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.training.bank import Bank, train_bank
from overdensity.ml.training.bank_hyper import BankHyper

HYPER = BankHyper(layers=3, width=16, epochs=12, patience=4)
SEEDS = [11, 12, 13, 14]


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 3)).astype(np.float32)
    y = rng.random(1200) < 0.5
    x[y & (rng.random(1200) < 0.2)] += 2
    weight = rng.uniform(0.5, 1.5, 1200)
    fold = rng.integers(0, 4, 1200)  # folds of different size
    return x, y, weight, fold != np.arange(4)[:, None]


def plain(bank: Bank, i: int) -> torch.nn.Sequential:
    """Network i as an ordinary torch model."""
    layers: list[torch.nn.Module] = []
    for k, (weight, bias) in enumerate(zip(bank.weights, bank.biases, strict=True)):
        linear = torch.nn.Linear(*weight.shape[1:])
        linear.load_state_dict({"weight": weight[i].T, "bias": bias[i, 0]})
        layers += [linear, torch.nn.LeakyReLU(0.1) if k == 0 else torch.nn.ELU()]
    return torch.nn.Sequential(*layers[:-1])


def test_forward_is_that_of_ordinary_networks():
    bank = Bank((3, 16, 16, 1), SEEDS)
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    found = bank.predict(x)
    for i in range(4):
        torch.testing.assert_close(found[i], plain(bank, i)(x)[:, 0])


def test_gradients_are_those_of_ordinary_networks():
    bank = Bank((3, 16, 16, 1), SEEDS)
    x = torch.randn(4, 50, 3, generator=torch.Generator().manual_seed(0))
    bank(x).square().sum().backward()
    for i in range(4):
        network = plain(bank, i)
        network(x[i]).square().sum().backward()
        for k, weight in enumerate(bank.weights):
            linear = network[2 * k]
            torch.testing.assert_close(weight.grad[i].T, linear.weight.grad)


def test_bank_trains_as_one_by_one(problem):
    x, y, weight, train = problem
    together, best = train_bank(
        x, y, weight, train, seeds=SEEDS, seed=1, steps=6, hyper=HYPER, device="cpu"
    )
    score = together.predict(torch.from_numpy(x))
    for i, seed in enumerate(SEEDS):
        alone, best_alone = train_bank(
            x, y, weight, train[i : i + 1], seeds=[seed], seed=1, steps=6, hyper=HYPER, device="cpu"
        )
        assert best_alone[0] == pytest.approx(best[i], abs=1e-6)
        torch.testing.assert_close(
            alone.predict(torch.from_numpy(x))[0], score[i], rtol=1e-3, atol=1e-4
        )


def test_networks_learn_the_signal(problem):
    x, y, weight, train = problem
    _, best = train_bank(
        x, y, weight, train, seeds=SEEDS, seed=1, steps=6, hyper=HYPER, device="cpu"
    )
    assert np.all(best > 3 * HYPER.cut)


def test_stopped_network_keeps_its_best_epoch(problem):
    x, y, weight, train = problem
    short = BankHyper(layers=3, width=16, epochs=100, patience=1)
    bank, best = train_bank(
        x, y, weight, train, seeds=SEEDS, seed=1, steps=6, hyper=short, device="cpu"
    )
    score = bank.predict(torch.from_numpy(x)).numpy()
    for i in range(4):
        check, background = ~train[i], ~train[i] & ~y
        order = np.argsort(-score[i, background])
        above = np.cumsum(weight[background][order]) / weight[background].sum()
        threshold = score[i, background][order][np.searchsorted(above, short.cut)]
        passing = check & y & (score[i] > threshold)
        assert weight[passing].sum() / weight[check & y].sum() == pytest.approx(best[i])


def test_bank_survives_its_arrays():
    bank = Bank((3, 16, 16, 1), SEEDS)
    x = torch.randn(50, 3)
    torch.testing.assert_close(Bank.from_arrays(bank.arrays()).predict(x), bank.predict(x))
