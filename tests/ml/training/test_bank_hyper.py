"""Hyperparameters of a bank of networks: the published ones, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from overdensity.core import ConfigError
from overdensity.ml.training.bank_hyper import BankHyper


def test_the_defaults_are_those_of_the_lhc_olympics() -> None:
    hyper = BankHyper()
    assert (hyper.layers, hyper.width, hyper.dropout) == (4, 128, 0.1)
    assert (hyper.learning_rate, hyper.beta1, hyper.beta2, hyper.decay) == (1e-3, 0.8, 0.99, 5e-4)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layers", 0),
        ("width", 0),
        ("dropout", 1.0),
        ("learning_rate", 0.0),
        ("epochs", 0),
        ("patience", 0),
        ("cut", 1.0),
        ("activation", "tanh"),
        ("judge", "luck"),
        ("average", 0),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"networks: {key} = {value!r} cannot be used"):
        BankHyper(**{key: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", ["epochs", "patience"])
def test_no_more_epochs_are_averaged_than_every_network_runs(limit: str) -> None:
    assert BankHyper(average=5, **{limit: 5}).average == 5  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="average = 6 cannot be used"):
        BankHyper(average=6, **{limit: 5})  # type: ignore[arg-type]


def test_a_configuration_is_read_without_torch() -> None:
    code = "import overdensity.ml.training.bank_hyper, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
