"""Files of which a part was never written."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors import DijetProcessor, LhcoSource, process
from overdensity.processors.sources.chunks import Chunk

N, WIDTH = 60, 361
TABLE = "df/block0_values"


@pytest.fixture
def inspect(tmp_path):
    return lambda: LhcoSource().inspect(tmp_path / "box.h5")


def virtual(tmp_path: Path, rows: np.ndarray, *, parts: int = 2, mapped: int = 2) -> None:
    """A table of the events in other files, of which the first are mapped."""
    size = len(rows) // parts
    layout = h5py.VirtualLayout((len(rows), rows.shape[1]), rows.dtype)
    for i in range(parts):
        with h5py.File(tmp_path / f"part{i}.h5", "w") as file:
            file[TABLE] = rows[i * size : (i + 1) * size]
        if i < mapped:
            source = h5py.VirtualSource(f"part{i}.h5", TABLE, (size, rows.shape[1]))
            layout[i * size : (i + 1) * size] = source
    with h5py.File(tmp_path / "box.h5", "w") as file:
        file.create_group("df").create_virtual_dataset("block0_values", layout)


@pytest.mark.parametrize("written", [0, 7, 59])
def test_chunks_that_were_never_written_are_counted(tmp_path, rows, inspect, written):
    """1500 of 3000 events were read as empty, and vanished in a cut."""
    with h5py.File(tmp_path / "box.h5", "w") as file:
        table = file.create_dataset(TABLE, rows.shape, "f8", chunks=(5, rows.shape[1]))
        table[:written] = rows[:written]
    missing = 12 - -(-written // 5)
    if missing:
        with pytest.raises(
            InputError, match=rf"box\.h5: of {missing} of the 12 ranges .* ever written"
        ):
            inspect()
    else:
        assert inspect().n_events == N


def test_a_table_that_was_only_made_is_refused(tmp_path, rows, inspect):
    with h5py.File(tmp_path / "box.h5", "w") as file:
        file.create_dataset(TABLE, rows.shape, "f8")
    with pytest.raises(InputError, match=r"box\.h5: '/df/block0_values' was never written"):
        inspect()


@pytest.mark.parametrize("kind", ["contiguous", "compact", "one chunk", "empty"])
def test_whole_tables_are_read(tmp_path, rows, inspect, kind):
    with h5py.File(tmp_path / "box.h5", "w") as file:
        if kind == "contiguous":
            file[TABLE] = rows
        elif kind == "compact":
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.COMPACT)
            space = h5py.h5s.create_simple((2, 7))
            group = file.create_group("df")
            made = h5py.h5d.create(group.id, b"block0_values", h5py.h5t.NATIVE_DOUBLE, space, plist)
            h5py.Dataset(made)[...] = rows[:2, :7]
        elif kind == "one chunk":
            file.create_dataset(TABLE, data=rows, chunks=(1000, 400), maxshape=(None, None))
        else:
            file.create_dataset(TABLE, (0, WIDTH), "f8", chunks=(5, WIDTH), maxshape=(None, WIDTH))
    assert inspect().n_events == {"compact": 2, "empty": 0}.get(kind, N)


def test_a_virtual_table_is_read_as_its_parts(tmp_path, rows, inspect):
    virtual(tmp_path, rows)
    assert inspect().n_events == N
    read = LhcoSource().read(Chunk(str(tmp_path / "box.h5"), 0, N))
    assert read.label.tolist() == rows[:, -1].tolist()


def test_a_part_of_a_virtual_table_that_is_gone_is_named(tmp_path, rows, inspect):
    virtual(tmp_path, rows)
    (tmp_path / "part1.h5").unlink()
    with pytest.raises(
        InputError, match=r"box\.h5: a virtual table, whose part .*part1\.h5 is missing"
    ):
        inspect()


def test_a_part_that_was_not_written_is_named(tmp_path, rows, inspect):
    virtual(tmp_path, rows)
    with h5py.File(tmp_path / "part1.h5", "w") as file:
        file.create_dataset(TABLE, (30, rows.shape[1]), "f8", chunks=(5, rows.shape[1]))
    with pytest.raises(InputError, match=r"part1\.h5: of 6 of the 6 ranges"):
        inspect()


def test_a_part_that_is_shorter_is_named(tmp_path, rows, inspect):
    virtual(tmp_path, rows)
    with h5py.File(tmp_path / "part1.h5", "w") as file:
        file[TABLE] = rows[:10]
    with pytest.raises(InputError, match=r"takes more events from .*part1\.h5 than there are, 10"):
        inspect()


def test_events_that_are_nowhere_are_counted(tmp_path, rows, inspect):
    virtual(tmp_path, rows, mapped=1)
    with pytest.raises(InputError, match=rf"only {30 * rows.shape[1]} of the {rows.size} numbers"):
        inspect()


def test_a_virtual_table_of_itself_is_refused(tmp_path, rows, inspect):
    layout = h5py.VirtualLayout(rows.shape, rows.dtype)
    layout[...] = h5py.VirtualSource("box.h5", TABLE, rows.shape)
    with h5py.File(tmp_path / "box.h5", "w") as file:
        file.create_group("df").create_virtual_dataset("block0_values", layout)
    with pytest.raises(InputError, match=r"lead from one to the other|is missing"):
        inspect()


@pytest.mark.parametrize("size", [None, 100])
def test_numbers_in_a_raw_file_are_looked_for(tmp_path, rows, inspect, size):
    raw = tmp_path / "raw.bin"
    with h5py.File(tmp_path / "box.h5", "w") as file:
        file.create_dataset(TABLE, data=rows, external=[(str(raw), 0, rows.nbytes)])
    assert inspect().n_events == N
    if size is None:
        raw.unlink()
    else:
        raw.write_bytes(raw.read_bytes()[:size])
    with pytest.raises(InputError, match=r"raw\.bin, which is missing or too short"):
        inspect()


def test_events_without_particles_are_counted_and_flagged(tmp_path, rows, caplog):
    empty = rows.copy()
    empty[10:25, :-1] = 0
    with h5py.File(tmp_path / "box.h5", "w") as file:
        file[TABLE] = empty
    processor = DijetProcessor(features=())
    options = {"source": LhcoSource(), "processor": processor, "chunk_events": 20}
    report = process(tmp_path / "box.h5", tmp_path / "run", **options)
    (flag,) = report.flags
    assert flag.startswith("15 of 60 events hold no particle at all: are the files complete?")
    assert flag in caplog.messages
    again = process(tmp_path / "box.h5", tmp_path / "run", **options)
    assert (again.reused, again.flags) == (3, (flag,))


def test_zeros_that_pad_all_rows_need_not_be_written(tmp_path, rows, inspect):
    with h5py.File(tmp_path / "box.h5", "w") as file:
        table = file.create_dataset(TABLE, rows.shape, "f8", chunks=(5, 30))
        for i, row in enumerate(rows):
            table[i, :30] = row[:30]
        assert table.id.get_num_chunks() == 12  # of 12 times 13
    assert inspect().n_events == len(rows)
