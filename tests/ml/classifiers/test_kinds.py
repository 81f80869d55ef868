"""What kinds of classifiers are shown, and how they are made known."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import ClassifierKind, register_classifier
from overdensity.ml.classifiers.kinds import CLASSIFIERS, Inputs
from overdensity.ml.toy_events import toy_events


def test_our_kinds_are_found_by_reading() -> None:
    assert {"lorentznet", "networks", "part", "particlenet", "pcnn", "pfn", "trees"} <= set(
        CLASSIFIERS.listings
    )


def test_a_name_cannot_be_taken_twice() -> None:
    class Impostor(ClassifierKind):
        pass

    with pytest.raises(ConfigError, match="two classifiers are called 'trees'"):
        register_classifier("trees")(Impostor)


def test_some_of_the_events_keep_their_features_and_blocks() -> None:
    events = toy_events(20, 0, seed=1)
    inputs = Inputs(events.features, events.blocks)
    some = inputs[np.array([3, 1])]
    assert len(some) == 2
    np.testing.assert_array_equal(some.features, events.features[[3, 1]])
    for name, block in inputs.blocks.items():
        np.testing.assert_array_equal(some.blocks[name].summaries(), block.summaries()[[3, 1]])
