"""How the networks of a bank look and learn."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.training.bank_hyper import BankHyper


@pytest.mark.parametrize(
    ("key", "value"),
    [("layers", 0), ("dropout", 1.0), ("cut", 0.0), ("activation", "tanh"), ("judge", "first")],
)
def test_value_that_cannot_be_used_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"networks: {key} = {value!r} cannot be used"):
        BankHyper(**{key: value})


def test_more_epochs_than_a_network_is_sure_to_run_cannot_be_averaged():
    with pytest.raises(ConfigError, match="average = 4 cannot be used"):
        BankHyper(epochs=10, patience=3, average=4)
