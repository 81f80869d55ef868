"""A small online flow that has learned from a toy stream."""

from __future__ import annotations

import pytest

from overdensity.ml import Sample
from overdensity.ml.streams.online_flow import OnlineFlow
from overdensity.ml.streams.online_hyper import OnlineHyper
from overdensity.ml.toy_events import TOY_FEATURES, toy_events

SMALL = OnlineHyper(layers=2, width=8, depth=1, batch=50, buffer=4, updates=2)


def small_flow() -> OnlineFlow:
    """Return a flow that has learned nothing."""
    return OnlineFlow(TOY_FEATURES, hyper=SMALL, seed=1, device="cpu")


def plain(sample: Sample) -> Sample:
    """Return toy events as a stream has them: without truth, groups and blocks."""
    return Sample.from_arrays(sample.mass, sample.features, sample.names)


@pytest.fixture(scope="session")
def toy_stream() -> Sample:
    """640 events without a signal."""
    return plain(toy_events(640, 0, seed=5))


@pytest.fixture(scope="session")
def learned(toy_stream: Sample) -> OnlineFlow:
    """A flow that has learned from them."""
    online = small_flow()
    online.learn(toy_stream)
    return online
