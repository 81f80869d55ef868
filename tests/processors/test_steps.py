"""Cuts add up, and each remembers what it left."""

from __future__ import annotations

import awkward as ak
import numpy as np

from overdensity.processors.steps import Steps


def test_an_event_that_is_cut_does_not_come_back() -> None:
    steps = Steps(3)
    steps.cut("first", np.array([True, False, True]))
    steps.cut("second", ak.Array([True, True, False]))
    assert steps.kept.tolist() == [True, False, False]
    assert {name: kept.tolist() for name, kept in steps.after.items()} == {
        "first": [True, False, True],
        "second": [True, False, False],
    }
    assert Steps(3).kept.all()
