"""Hyperparameters of the kind ``lorentznet`` are checked."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.taggers.lorentznet import LorentzNetHyper


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"step": 0.0}, {"dropout": 1.0}])
def test_values_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"lorentznet: .* cannot be used"):
        LorentzNetHyper(**wrong)
