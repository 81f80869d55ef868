"""Hyperparameters of the kind ``cnn`` are checked."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.images.convolutional import CnnHyper


@pytest.mark.parametrize("bad", [{"filters": (4, 4)}, {"filters": (4, 4, 4, 0)}, {"dense": 0}])
def test_values_that_cannot_be_used_are_refused(bad):
    with pytest.raises(ConfigError, match=r"cnn: .* cannot be used"):
        CnnHyper(**bad)
