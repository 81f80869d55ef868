"""Large arrays are mapped files of which little is in memory."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from overdensity.ml.blocks import mapped
from overdensity.ml.blocks.constituents import ConstituentsReader
from overdensity.ml.blocks.images import ImagesReader
from overdensity.ml.blocks.mapped import forget, gathered, in_file_order, new_array

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
    monkeypatch.setattr("overdensity.ml.blocks.mapped._IN_MEMORY", 0)
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
    monkeypatch.setattr("overdensity.ml.blocks.mapped._IN_MEMORY", 0)
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


@pytest.fixture
def on_disk(monkeypatch):
    monkeypatch.setattr(mapped, "_IN_MEMORY", 0)
    array = new_array((2**12, 2**10), np.float32)  # 16 MB
    array[:] = np.arange(len(array), dtype=np.float32)[:, None]
    forget(array)
    return array


def test_rows_of_a_file_are_those_of_an_array(on_disk, monkeypatch):
    monkeypatch.setattr(mapped, "_MAPPED", 2**20)
    rows = np.random.default_rng(1).integers(0, len(on_disk), 1000)
    assert gathered(on_disk, rows)[:, 3].tolist() == rows.tolist()
    assert gathered(on_disk, rows[:0]).shape == (0, 2**10)
    assert sorted(np.concatenate(list(in_file_order(on_disk, rows)))) == list(range(1000))


@on_linux
def test_rows_from_anywhere_map_little_of_a_file_at_a_time(on_disk, monkeypatch):
    monkeypatch.setattr(mapped, "_MAPPED", 2**20)
    rows = np.random.default_rng(1).permutation(len(on_disk))
    before, most = mapped_kilobytes(), 0
    for part in in_file_order(on_disk, rows):
        on_disk[rows[part]]
        most = max(most, mapped_kilobytes() - before)
    assert 0 < most <= 1024 + 2 * 64
    assert mapped_kilobytes() == before
