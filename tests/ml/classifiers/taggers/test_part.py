"""Hyperparameters of the kind ``part`` are checked."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.taggers.part import ParticleTransformerHyper


@pytest.mark.parametrize("wrong", [{"embedding": ()}, {"heads": 3}, {"pairs": (0,)}])
def test_values_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"part: .* cannot be used"):
        ParticleTransformerHyper(**wrong)
