"""Which files a path stands for, and what is said of those that are none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.core.files.file_systems import file_system
from overdensity.ml.blocks.opening import next_rows, open_parquet, table_files


def write(path: Path) -> Path:
    pq.write_table(pa.table({"mjj": [3000.0, 4000.0, 5000.0]}), path)
    return path


def test_a_folder_stands_for_its_tables_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet"):
        write(tmp_path / name)
    (tmp_path / "notes.md").touch()
    assert [Path(name).name for _, name in table_files(tmp_path)] == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [("none.parquet", "no such file"), ("empty", "a folder without"), ([], "no file given")],
)
def test_where_there_is_no_file_it_is_said(tmp_path: Path, paths, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        list(table_files([tmp_path / paths] if paths else []))


def test_rows_come_until_there_are_none(tmp_path: Path) -> None:
    fs, name = file_system(str(write(tmp_path / "a.parquet")))
    with open_parquet(fs, name) as file:
        batches = file.iter_batches(2)
        rows = [next_rows(batches, name) for _ in range(3)]
    assert [None if each is None else len(each) for each in rows] == [2, 1, None]


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    fs, name = file_system(str(path))
    with pytest.raises(InputError, match=r"a\.parquet: not a Parquet file, or truncated"):
        open_parquet(fs, name)
