"""The supervised classifier learns from the truth, in the signal region alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import make_method

FEW = {"inner_folds": 2, "members": 1}


def test_events_outside_the_signal_region_change_nothing(sample, window):
    method = make_method("supervised", classifier=FEW)
    inside = sample.take(window.signal(sample.mass))
    whole = type(method)(method.hyper).fit(sample, window, seed=1)
    alone = type(method)(method.hyper).fit(inside, window, seed=1)
    np.testing.assert_array_equal(whole.score(sample), alone.score(sample))


def test_signal_region_without_signal_is_refused(sample, window):
    background = sample.take(sample.label == 0)
    with pytest.raises(InputError, match="0 events in the signal region that are labelled signal"):
        make_method("supervised").fit(background, window, seed=1)


def test_events_without_truth_are_refused(sample, window):
    with pytest.raises(ConfigError, match="no column 'label'"):
        make_method("supervised").fit(replace(sample, label=None), window, seed=1)
