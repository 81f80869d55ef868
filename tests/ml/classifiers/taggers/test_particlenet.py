"""Hyperparameters of the kind ``particlenet`` are checked."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.taggers.particlenet import ParticleNetHyper


@pytest.mark.parametrize("wrong", [{"edges": ()}, {"neighbors": 0}, {"dropout": 1.0}])
def test_values_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"particlenet: .* cannot be used"):
        ParticleNetHyper(**wrong)
