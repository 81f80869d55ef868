"""Blocks refer to objects that stay where they are stored."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.blocks.block import forget, new_array
from overdensity.ml.blocks.constituents import ConstituentsReader
from overdensity.ml.blocks.images import Images, ImagesReader

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def mapped_kilobytes() -> int:
    """Return how much of the temporary files of blocks is in the memory of this process."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text("utf-8").splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            ours = "(deleted)" in rest and tempfile.gettempdir() in rest
        elif ours and name == "Rss:":
            total += int(rest.split()[0])
    return total


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


def test_large_arrays_are_memory_maps_without_a_file_to_remove(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    large = new_array((9 * 2**20, 2), np.float32)
    large[-1] = 3.0
    assert isinstance(large, np.memmap)
    assert large[-1, 1] == 3.0
    assert list(tmp_path.iterdir()) == []


def test_small_arrays_are_in_memory():
    assert not isinstance(new_array((10,), np.float32), np.memmap)


@on_linux
def test_what_is_forgotten_is_out_of_memory_and_still_there(monkeypatch):
    monkeypatch.setattr("overdensity.ml.blocks.block._IN_MEMORY", 0)
    large = new_array((2**20,), np.float32)
    large[:] = 3.0
    before = mapped_kilobytes()
    forget(large[5:])
    assert before - mapped_kilobytes() >= 4096
    assert large[-1] == 3.0


def test_forgetting_an_array_in_memory_does_nothing():
    array = np.ones(3)
    forget(array)
    assert array.sum() == 3.0


@on_linux
def test_reading_large_blocks_leaves_nothing_of_them_in_memory(monkeypatch):
    monkeypatch.setattr("overdensity.ml.blocks.block._IN_MEMORY", 0)
    already = mapped_kilobytes()
    images = ImagesReader(200, 40, 40)
    images.add(np.ones((200, 40, 40), np.float32))
    jets = ConstituentsReader(200, 20_000)
    jets.add(np.arange(201) * 100, [np.ones(20_000, np.float32)] * 3)
    blocks = images.block(), jets.block()
    for start in range(0, 200, 50):
        assert blocks[0][start : start + 50].sum() == 50 * 1600
        assert len(blocks[1].padded(100)[start : start + 50]) == 50
    assert mapped_kilobytes() <= already
