"""A flow that learns from a stream once: what it keeps of a signal, what it does not invent, memory."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from overdensity.core import FitError, InputError
from overdensity.ml import Sample, Window, make_method, performance
from overdensity.ml.streams.online_flow import OnlineFlow
from overdensity.ml.streams.online_hyper import OnlineHyper
from overdensity.ml.toy_events import TOY_FEATURES, toy_events

from .conftest import SMALL, plain, small_flow

WINDOW = Window(3500.0, 3300.0, 3700.0, 2800.0, 4300.0)


def parts(sample: Sample, *cuts: int) -> list[Sample]:
    edges = [0, *cuts, len(sample)]
    return [sample.take(np.arange(*pair)) for pair in itertools.pairwise(edges)]


def saved(online: OnlineFlow) -> dict[str, bytes]:
    """Return all that is kept of the stream, as bytes."""
    summary = online.summary()
    arrays = {"masses": summary.masses.filled(), **summary.flow.arrays()}
    return {name: value.tobytes() for name, value in arrays.items()}


def test_it_does_not_matter_how_a_stream_is_cut(learned: OnlineFlow, toy_stream: Sample) -> None:
    online = small_flow()
    for part in parts(toy_stream, 7, 130, 131, 400):
        online.learn(part)
    assert saved(online) == saved(learned)
    assert (online.events, online.batches) == (640, 12)


@pytest.mark.parametrize("cut", [90, 333])  # before and after the first full buffer
def test_a_stream_goes_on_from_its_state(cut: int, learned: OnlineFlow, toy_stream: Sample) -> None:
    before, after = parts(toy_stream, cut)
    online, again = small_flow(), small_flow()
    online.learn(before)
    again.restore(online.state())
    again.learn(after)
    assert saved(again) == saved(learned)


def test_what_is_kept_does_not_grow_with_the_stream(
    learned: OnlineFlow, toy_stream: Sample
) -> None:
    def size(online: OnlineFlow) -> int:
        state = online.state()
        fixed = ("average", "buffer", "log_jacobian")
        arrays = [value for name, value in state["arrays"].items() if name.startswith(fixed)]
        return sum(each.nbytes for each in [*state["module"].values(), *arrays])

    longer = small_flow()
    longer.restore(learned.state())
    longer.learn(toy_stream)
    assert longer.events == 2 * learned.events
    assert size(longer) == size(learned)
    assert longer.state()["arrays"]["waiting"].shape[0] < SMALL.batch


def test_each_batch_is_tested_before_it_is_learned_from(toy_stream: Sample) -> None:
    online = small_flow()
    online.learn(toy_stream.take(np.arange(250)))
    before = online.losses()[0]
    assert before[0] == 200
    untrained = OnlineFlow(TOY_FEATURES, hyper=replace(SMALL, learning_rate=1e-30), seed=1)
    untrained.learn(toy_stream.take(np.arange(250)))
    assert untrained.losses()[0] == pytest.approx(before)
    assert online.losses()[1] != pytest.approx(untrained.losses()[1])


def test_events_beyond_the_first_range_are_counted(toy_stream: Sample) -> None:
    beyond = []
    for value in (100.0, 1e5):
        features = toy_stream.features.copy()
        features[300, 0] = value
        online = small_flow()
        online.learn(replace(toy_stream, features=features))
        beyond.append(online.beyond)
        assert online.events == 640
    assert beyond[1] == beyond[0] + 1


@pytest.mark.parametrize("what", ["short", "weights", "features", "units"])
def test_what_cannot_be_learned_is_said(what: str, toy_stream: Sample) -> None:
    online = small_flow()
    if what == "short":
        online.learn(toy_stream.take(np.arange(120)))
        with pytest.raises(InputError, match="120 events have come, and the flow begins with 200"):
            online.summary()
    elif what == "weights":
        with pytest.raises(InputError, match="without a column 'weight'"):
            online.learn(replace(toy_stream, weight=np.ones(640)))
    elif what == "features":
        with pytest.raises(InputError, match="of the features j1_mass"):
            online.learn(replace(toy_stream, names=("a", "b", "c", "d")))
    else:
        online.learn(toy_stream)
        with pytest.raises(FitError, match="are the units the same"):
            online.learn(replace(toy_stream, features=toy_stream.features * 1000))


def test_a_constant_feature_is_named(toy_stream: Sample) -> None:
    features = toy_stream.features.copy()
    features[:, 2] = 0.5
    with pytest.raises(FitError, match="j1_tau21: the same in the first 200 events; leave it out"):
        small_flow().learn(replace(toy_stream, features=features))


def on_stream_and_on_samples(n_signal: int, test: Sample, label: NDArray[Any]) -> list[float]:
    """Return the AUC of CWoLa that learned from a toy stream, and from what its flow draws."""
    hyper = OnlineHyper(
        family="rqs_autoregressive", layers=3, width=32, batch=500, updates=10, learning_rate=3e-3
    )
    online = OnlineFlow(TOY_FEATURES, hyper=hyper, seed=1)
    data = plain(toy_events(30_000, n_signal, seed=1))
    online.learn(data)
    few = {"inner_folds": 2, "members": 1, "trees": {"events_per_leaf": 40, "leaves": 8}}
    found = []
    for sample in (data, online.summary().sample(seed=1)):
        method = make_method("cwola", classifier=few).fit(sample, WINDOW, seed=1)
        found.append(performance(method.score(plain(test)), label).auc)
    return found


@pytest.mark.slow(seconds=15)
def test_a_signal_is_found_in_what_is_drawn() -> None:
    test = toy_events(10_000, 2000, seed=2)
    test = test.take(WINDOW.signal(test.mass))
    assert test.label is not None
    on_stream, on_samples = on_stream_and_on_samples(900, test, test.label)
    assert on_stream > 0.9
    assert on_samples > 0.85


@pytest.mark.slow(seconds=15)
def test_no_signal_is_invented() -> None:
    test = toy_events(20_000, 0, seed=2)
    test = test.take((test.mass >= WINDOW.sideband_low) & (test.mass < WINDOW.sideband_high))
    inside = WINDOW.signal(test.mass).astype(np.int8)
    _, on_samples = on_stream_and_on_samples(0, test, inside)
    assert on_samples == pytest.approx(0.5, abs=0.03)  # 3.5 standard deviations of the test
