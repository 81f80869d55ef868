"""How modules are trained."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.training.training_hyper import TrainingHyper


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"schedule": "none"},
        {"average": 3, "epochs": 2},
        {"optimizer": "sgd"},
    ],
)
def test_values_that_cannot_be_used_are_named(wrong):
    with pytest.raises(ConfigError, match=f"training: {next(iter(wrong))} = "):
        TrainingHyper(**wrong)
