"""Hyperparameters of the kind ``deep_ensemble`` are checked."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.images.deep_ensemble import DeepEnsembleHyper


@pytest.mark.parametrize("bad", [{"widths": ()}, {"blocks": (1, 1)}, {"mixup": -1.0}])
def test_values_that_cannot_be_used_are_refused(bad):
    with pytest.raises(ConfigError, match=r"deep_ensemble: .* cannot be used"):
        DeepEnsembleHyper(**bad)
