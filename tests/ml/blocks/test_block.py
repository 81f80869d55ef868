"""Blocks refer to objects that stay where they are stored."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.blocks.images import Images


@pytest.fixture
def block():
    return Images.from_array(np.arange(12.0).reshape(3, 2, 2))


def test_taken_events_are_those_asked_for_in_their_order(block):
    np.testing.assert_array_equal(block.take(np.array([2, 0]))[:][:, 0, 0], [8, 0])


def test_taken_events_by_mask_keep_their_order(block):
    taken = block.take(np.array([True, False, True]))
    np.testing.assert_array_equal(taken[:][:, 0, 0], [0, 8])


def test_taking_copies_no_object(block):
    assert block.take(np.array([1])).stores[0] is block.stores[0]


def test_joined_blocks_hold_the_events_of_both(block):
    other = Images.from_array(100 + np.arange(8.0).reshape(2, 2, 2))
    joined = block.take(np.array([2])).beside(other.take(np.array([1, 0])))
    np.testing.assert_array_equal(joined[:][:, 0, 0], [8, 104, 100])


def test_joining_what_is_stored_together_stores_nothing_again(block):
    joined = block.take(np.array([1])).beside(block.take(np.array([2])))
    assert len(joined.stores) == 1
    np.testing.assert_array_equal(joined[:][:, 0, 0], [4, 8])


def test_three_joined_blocks_keep_their_events(block):
    others = [Images.from_array(np.full((2, 2, 2), value)) for value in (50.0, 60.0)]
    joined = block.beside(others[0]).beside(others[1]).beside(others[0])
    np.testing.assert_array_equal(joined[:][:, 0, 0], [0, 4, 8, 50, 50, 60, 60, 50, 50])


def test_unlike_blocks_are_not_joined(block):
    with pytest.raises(InputError, match="2 x 2 pixels and 3 x 3 pixels cannot be joined"):
        block.beside(Images.from_array(np.zeros((1, 3, 3))))
