"""The idealised detector tells data from simulation, and nothing where both are the same."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import make_method
from overdensity.ml.contract import toy_sample

FEW = {"inner_folds": 2, "members": 1, "trees": {"leaves": 8}}


def test_perfect_simulation_without_signal_teaches_nothing(window):
    data, simulation, others = (toy_sample(signal=0, seed=seed) for seed in (1, 2, 3))
    simulation = simulation.take(np.argsort(simulation.mass, kind="stable"))
    method = make_method("idealised", classifier=FEW).fit(
        data.without_label(), window, simulation=simulation, seed=1
    )
    score = method.score(others)
    inside = window.signal(others.mass)
    assert abs(score[inside].mean() - 0.5) < 0.02  # both classes count the same
    assert score[inside].std() < 0.1


def test_simulation_that_is_missing_or_has_other_features_is_refused(sample, simulation, window):
    method = make_method("idealised")
    with pytest.raises(ConfigError, match="'idealised' needs simulated events"):
        method.fit(sample, window, seed=1)
    other = type(simulation).from_arrays(simulation.mass, simulation.features[:, :1], ["j1_mass"])
    with pytest.raises(InputError, match="cannot be joined"):
        method.fit(sample, window, simulation=other, seed=1)
