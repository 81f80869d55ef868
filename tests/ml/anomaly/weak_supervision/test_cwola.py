"""CWoLa hunting: weights, the nested scheme, and what it reaches on events made with Delphes."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import Sample, check_method, make_method
from overdensity.ml.anomaly.weak_supervision.cwola import balanced_weights

IMAGES = {
    "kind": "deep_ensemble",
    "inner_folds": 2,
    "members": 1,
    "deep_ensemble": {
        "widths": [6],
        "blocks": [1],
        "dense": 8,
        "training": {"epochs": 4, "batch": 100, "schedule": "one_cycle", "learning_rate": 1e-2},
        "trees": {"leaves": 8, "events_per_leaf": 20},
        "device": "cpu",
    },
}


def test_sidebands_weigh_the_same_and_together_as_the_signal_region(sample, window):
    inside = sample.take(
        (sample.mass >= window.sideband_low) & (sample.mass < window.sideband_high)
    )
    weight = balanced_weights(inside, window)
    signal, lower, upper = (
        weight[region(inside.mass)].sum() for region in (window.signal, window.lower, window.upper)
    )
    assert lower == pytest.approx(upper)
    assert lower + upper == pytest.approx(signal)
    assert weight.mean() == pytest.approx(1)


def test_event_weights_are_kept_within_a_region(window):
    own = np.array([1.0, 3.0, 1.0, 1.0, 2.0, 2.0])
    mass = [3300.0, 3400.0, 2900.0, 3000.0, 4000.0, 4100.0]
    sample = Sample.from_arrays(mass, np.ones((6, 1)), ["x"], weight=own)
    weight = balanced_weights(sample, window)
    assert weight[1] == pytest.approx(3 * weight[0])


def test_ensemble_has_a_part_for_each_inner_fold(sample, window):
    method = make_method("cwola", classifier={"inner_folds": 3, "members": 2})
    method.fit(sample.without_label(), window, seed=1)
    assert len(method.arrays()["baseline"]) == 6


def test_one_inner_fold_is_refused():
    with pytest.raises(ConfigError, match="inner_folds"):
        make_method("cwola", classifier={"inner_folds": 1})


@pytest.mark.slow(seconds=15)
def test_with_images_beside_the_columns_it_does_what_every_method_must():
    """Finds the toy's signal among other things."""
    check_method("cwola", classifier=IMAGES)


@pytest.mark.slow(seconds=5)
def test_with_images_beside_the_columns_it_finds_no_excess_without_signal(
    without_signal, excess_of
):
    assert abs(excess_of(make_method("cwola", classifier=IMAGES), without_signal)) < 3
