"""What methods share whose score is that of one classifier."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import make_method
from overdensity.ml.anomaly.classifier_method import InputHyper, refuse_few_events


def test_inputs_are_rescaled_and_sorted_as_asked(sample):
    plain = InputHyper(rescale=False, sort=False).inputs(sample)
    np.testing.assert_array_equal(plain, sample.features)
    ordered = InputHyper(rescale=False).inputs(sample)
    assert np.all(ordered[:, 0] <= ordered[:, 1])
    rescaled = InputHyper(sort=False).inputs(sample)
    assert np.abs(rescaled[:, :2]).max() < 1


def test_region_with_too_few_events_in_an_inner_fold_is_named(window):
    few = {"upper sideband": np.arange(100) < 9}
    with pytest.raises(InputError, match=r"9 events in the upper sideband leave . in one of 4"):
        refuse_few_events(
            few, np.arange(100, dtype=np.uint64), window, min_events=5, inner_folds=4, seed=1
        )


def test_needs_follow_the_kind_of_the_classifier():
    assert make_method("salad").needs == ("features", "simulation")
    assert make_method("cwola").needs == ("features",)
