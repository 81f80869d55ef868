"""An event counts once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import InputError
from overdensity.stats.combination.overlap import remove_overlap

IDS = st.sets(st.integers(0, 2**64 - 1), max_size=30).map(sorted)
FEW = st.sets(st.integers(0, 12), max_size=12).map(sorted)


@given(st.lists(FEW | IDS, min_size=1, max_size=4), st.randoms())
def test_every_event_stays_in_exactly_one_channel(parts, random):
    events = {f"channel {i}": np.array(ids, dtype=np.uint64) for i, ids in enumerate(parts)}
    order = list(events)
    random.shuffle(order)
    kept = remove_overlap(events, order)
    left = np.concatenate([events[name][kept[name]] for name in events])
    assert sorted(left.tolist()) == sorted(set().union(*parts))


def test_the_first_of_the_order_keeps_all():
    events = {"dijet": [1, 2, 3, 4], "trijet": [3, 4, 5]}
    kept = remove_overlap(events, ["trijet", "dijet"])
    assert kept["dijet"].tolist() == [True, True, False, False]
    assert kept["trijet"].all()
    assert remove_overlap(events)["dijet"].all()


def test_large_ids_are_told_apart():
    events = {"a": np.array([2**64 - 1], np.uint64), "b": np.array([2**64 - 2], np.uint64)}
    assert all(mask.all() for mask in remove_overlap(events).values())


def test_ids_that_occur_twice_in_a_channel_are_refused():
    with pytest.raises(InputError, match="1 event ids occur more than once"):
        remove_overlap({"dijet": [1, 1, 2]})


@pytest.mark.parametrize("order", [["dijet"], ["dijet", "dijet"], ["dijet", "trijets"]])
def test_an_order_that_does_not_name_every_channel_once_is_refused(order):
    with pytest.raises(InputError, match=r"order|no channel 'trijets'"):
        remove_overlap({"dijet": [1], "trijet": [2]}, order)
