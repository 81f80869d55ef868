"""Hyperparameters of particle flow networks are checked."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.taggers.particle_flow_hyper import ParticleFlowHyper


@pytest.mark.parametrize("wrong", [{"phi": ()}, {"f": (0,)}, {"particles": 0}])
def test_values_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ConfigError, match="cannot be used"):
        ParticleFlowHyper(**wrong)
