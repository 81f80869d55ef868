"""A small toy search: smooth background in the mass, and a bump that lies close in the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from overdensity.ml import Sample, Window, make_method
from overdensity.ml.contract import TOY_WINDOW, toy_sample, toy_simulation
from overdensity.ml.flows.conditional import ConditionalFlow


@pytest.fixture(scope="session")
def window() -> Window:
    return TOY_WINDOW


@pytest.fixture(scope="session")
def sample() -> Sample:
    return toy_sample()


@pytest.fixture(scope="session")
def simulation() -> Sample:
    return toy_simulation()


@pytest.fixture(scope="package", autouse=True)
def _one_thread():
    """Toy networks are too small for threads, and tests may share the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


FAST_FLOW: dict[str, Any] = {"width": 64, "bins": 8, "epochs": 8, "batch": 256, "average": 1}


@pytest.fixture(scope="session")
def fast_flow() -> dict[str, Any]:
    """Hyperparameters of a flow that learns two features in seconds."""
    return FAST_FLOW


@pytest.fixture(scope="session")
def moving() -> Callable[..., Sample]:
    """Two features, one of which moves with the mass; signal is narrow in both."""

    def make(n_background: int, n_signal: int, seed: int) -> Sample:
        rng = np.random.default_rng(seed)
        signal = np.arange(n_background + n_signal) >= n_background
        mass = np.where(signal, 3500.0, 2600.0 + rng.exponential(700.0, len(signal)))
        mass = (mass + signal * rng.normal(0.0, 60.0, len(signal))).clip(max=6000.0)
        x = rng.normal([0.0, 0.0], [0.5, 1.0], (len(signal), 2))
        x[:, 0] += (mass - 3500.0) / 400.0
        x[signal] = rng.normal([0.5, 1.5], 0.2, (n_signal, 2))
        return Sample.from_arrays(mass, x, ("x", "y"), label=signal)

    return make


@pytest.fixture(scope="session")
def moving_flow(moving: Callable[..., Sample], window: Window) -> ConditionalFlow:
    """The outer density of that background."""
    data = moving(20_000, 300, seed=1)
    return make_method("cathode", flow=FAST_FLOW).fit_outside(data, window, seed=1)
