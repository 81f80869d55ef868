"""What kinds of classifiers share."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from overdensity.ml import watch
from overdensity.ml.classifiers.members import features_of_members, note_reliability


def test_each_member_sees_its_fraction_of_the_features():
    seen = features_of_members(20, 8, 0.25, seed=1)
    assert seen.shape == (20, 8)
    assert np.all(seen.sum(axis=1) == 2)
    assert len(np.unique(seen, axis=0)) > 1


def test_all_features_are_no_choice():
    assert features_of_members(4, 3, 1.0, seed=1) is None


def test_probabilities_are_noted_on_events_that_were_not_learnt():
    inner = np.arange(1000) % 2
    y = inner == 0
    asked = []

    def of_fold(fold):
        asked.append(fold)
        return SimpleNamespace(score=lambda x: np.full(len(x), 0.9 if fold == 0 else 0.1))

    with watch() as seen:
        note_reliability(of_fold, np.zeros((1000, 1), np.float32), y, np.ones(1000), inner)
    (curve,) = seen.reliability
    assert asked == [0, 1]
    assert np.average(np.abs(np.subtract(curve.found, curve.said))) == pytest.approx(0.1)
