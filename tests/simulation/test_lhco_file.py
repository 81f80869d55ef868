"""The written files against pandas and against the official sample."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 - registers blosc
import numpy as np
import pandas as pd
import pytest

from overdensity.simulation.lhco_file import frame_writer, padded_rows

from .conftest import events_of

EVENTS = events_of(
    counts=np.array([2, 0, 700]),
    objects=np.random.default_rng(1).uniform(0.5, 3.0, (702, 3)).astype(np.float32),
)


def write(path: Path, rows: np.ndarray) -> None:
    with frame_writer(path, *rows.shape) as frame:
        frame.append(rows[:2])
        frame.append(rows[2:])


def test_rows_are_objects_then_zeros_then_the_truth() -> None:
    rows = padded_rows(EVENTS, np.array([1, 0, 1], dtype=np.int8))
    assert rows.shape == (3, 2101)
    np.testing.assert_array_equal(rows[0, :6], EVENTS.objects[:2].ravel())
    assert not rows[0, 6:2100].any()
    assert not rows[1].any()
    np.testing.assert_array_equal(rows[2, :2100], EVENTS.objects[2:].ravel())
    assert rows[:, 2100].tolist() == [1, 0, 1]


def test_without_labels_there_is_no_column_for_them() -> None:
    assert padded_rows(EVENTS, None).shape == (3, 2100)


@pytest.mark.parametrize("columns", [2101, 2100, 1])
def test_pandas_reads_what_was_written(tmp_path: Path, columns: int) -> None:
    rows = np.random.default_rng(2).normal(size=(50, columns))
    write(tmp_path / "frame.h5", rows)
    frame = pd.read_hdf(tmp_path / "frame.h5")
    pd.testing.assert_frame_equal(frame, pd.DataFrame(rows))


def test_a_range_of_rows_can_be_read_with_pandas(tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(100, 2101))
    write(tmp_path / "frame.h5", rows)
    frame = pd.read_hdf(tmp_path / "frame.h5", start=40, stop=60)
    np.testing.assert_array_equal(frame, rows[40:60])


def attributes(item: h5py.HLObject) -> dict[str, tuple]:
    """Value and stored type of every attribute."""
    found = {}
    for name in item.attrs:
        kind = h5py.h5a.open(item.id, name.encode()).get_type()
        text = (kind.get_cset(),) if isinstance(kind, h5py.h5t.TypeStringID) else ()
        value = item.attrs[name]
        found[name] = (type(kind).__name__, *text, "" if isinstance(value, h5py.Empty) else value)
    return found


def test_layout_is_that_of_the_official_file(tmp_path: Path, shared_data: Path) -> None:
    official_path = shared_data / "lhco" / "events_anomalydetection_tiny.h5"
    with h5py.File(official_path) as official:
        write(tmp_path / "mine.h5", official["df/block0_values"][:200])
        with h5py.File(tmp_path / "mine.h5") as mine:
            assert attributes(mine) == attributes(official)
            assert attributes(mine["df"]) == attributes(official["df"])
            assert set(mine["df"]) == set(official["df"])
            for name, theirs in official["df"].items():
                ours = mine["df"][name]
                assert attributes(ours) == attributes(theirs), name
                assert ours.dtype == theirs.dtype, name
                assert ours.shape[1:] == theirs.shape[1:], name
                filters = (item.id.get_create_plist().get_filter(0) for item in (ours, theirs))
                (code, _, options, _), (their_code, _, their_options, _) = filters
                assert code == their_code == 32001, name  # blosc
                assert options[4:6] == their_options[4:6], name  # level and shuffle
            np.testing.assert_array_equal(
                mine["df/block0_values"][:], official["df/block0_values"][:200]
            )


def test_an_interrupted_file_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with frame_writer(tmp_path / "frame.h5", 4, 2101) as frame:
            frame.append(np.zeros((2, 2101)))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_file_leaves_its_predecessor(tmp_path: Path) -> None:
    rows = np.ones((4, 3))
    write(tmp_path / "frame.h5", rows)

    def interrupted() -> None:
        with frame_writer(tmp_path / "frame.h5", 4, 3):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    np.testing.assert_array_equal(pd.read_hdf(tmp_path / "frame.h5"), rows)
