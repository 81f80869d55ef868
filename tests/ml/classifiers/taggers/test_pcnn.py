"""Hyperparameters of the kind ``pcnn`` are checked."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.taggers.pcnn import PCnnHyper


@pytest.mark.parametrize("wrong", [{"stages": ()}, {"first": 0}, {"particles": 0}])
def test_values_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"pcnn: .* cannot be used"):
        PCnnHyper(**wrong)
