"""Events of several processes in one file, in the order that the seed gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from overdensity.core import InputError
from overdensity.simulation.event_files import EventQueue, check_output, shuffled, write_events

from .conftest import events_of


def queue(process: int) -> EventQueue:
    """Endless events of one object, whose pt is 100 times the process plus a running number."""
    numbers = iter(range(10_000))
    chunks = (events_of([1], [[100.0 * process + next(numbers), 0.5, 0.5]]) for _ in range(10_000))
    return EventQueue(chunks, lambda n: None)


def test_the_order_is_of_the_seed_and_each_process_has_its_number() -> None:
    order = shuffled([50, 30, 20], 3)
    assert np.bincount(order).tolist() == [50, 30, 20]
    np.testing.assert_array_equal(order, shuffled([50, 30, 20], 3))
    assert not np.array_equal(order, shuffled([50, 30, 20], 2**128 - 1))
    assert (np.diff(order) != 0).sum() > 40  # of 62 expected, and 2 in blocks


def test_events_stand_where_the_order_has_their_process(tmp_path: Path) -> None:
    order = shuffled([40, 30, 10], 1)
    labels = np.array([0, 0, 1], np.int8)
    write_events(tmp_path / "a.h5", order, labels, [queue(k) for k in range(3)], key_file=False)
    frame = pd.read_hdf(tmp_path / "a.h5")
    np.testing.assert_array_equal(frame[0] // 100, order)
    np.testing.assert_array_equal(frame[2100], labels[order])
    for process in range(3):
        running = frame[0][order == process] - 100 * process
        assert running.tolist() == list(range(len(running)))


def test_the_key_is_apart_from_the_box(tmp_path: Path) -> None:
    order = shuffled([6, 4], 1)
    labels = np.array([0, 1], np.int8)
    write_events(tmp_path / "a.h5", order, labels, [queue(0), queue(1)], key_file=True)
    assert pd.read_hdf(tmp_path / "a.h5").shape == (10, 2100)
    assert pd.read_hdf(tmp_path / "a.key.h5")[0].tolist() == labels[order].tolist()


def test_outputs_that_cannot_be_are_refused_beforehand(tmp_path: Path) -> None:
    check_output(tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []
    for path, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "a.txt", r"ends in \.h5 \(LHC Olympics\) or \.root"),
        (tmp_path / "none" / "a.h5", "no such folder"),
        (Path("/proc/a.h5"), r"/proc/a\.h5: cannot be written"),
    ):
        with pytest.raises(InputError, match=says):
            check_output(path)


def test_a_file_without_a_place_for_weights_is_refused(tmp_path: Path) -> None:
    weighted = replace(events_of([1], [[100.0, 0.5, 0.5]]), weight=np.array([0.5]))
    stream = EventQueue(iter([weighted]), lambda n: None)
    order = np.zeros(1, np.int16)
    with pytest.raises(
        InputError, match=r"for which an \.h5 file has no place; write a .root file"
    ):
        write_events(tmp_path / "a.h5", order, np.zeros(1, np.int8), [stream], key_file=False)
    assert list(tmp_path.iterdir()) == []
