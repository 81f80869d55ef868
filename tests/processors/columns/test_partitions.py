"""Parquet partitions: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import hist
import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.processors.columns.histograms import to_uhi
from overdensity.processors.columns.partitions import (
    PartitionSummary,
    partition_names,
    read_summary,
    remove_others,
    settings_key,
    write_partition,
)

COLUMNS = {"event": np.array([3, 2**63 + 5], dtype=np.uint64), "mjj": np.array([1, 2], np.float32)}


@pytest.fixture
def summary() -> PartitionSummary:
    histogram = hist.Hist.new.Reg(4, 0, 8, name="mjj").Double().fill([1, 1, 2, 9])
    return PartitionSummary(
        2, {"read": 5, "two jets": 2}, {"read": 4.5}, {"mjj": to_uhi(histogram)}
    )


def test_columns_and_summary_come_back(tmp_path, summary) -> None:
    path = f"{tmp_path}/a.parquet"
    write_partition(path, COLUMNS, summary)
    table = pq.read_table(path)
    for name, column in COLUMNS.items():
        np.testing.assert_array_equal(table[name].to_numpy(), column)
        assert table[name].to_numpy().dtype == column.dtype
    assert read_summary(path) == summary
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_same_columns_give_the_same_bytes(tmp_path, summary) -> None:
    for name in "ab":
        write_partition(f"{tmp_path}/{name}.parquet", COLUMNS, summary)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("step", ["pipe_file", "mv"])
def test_a_failed_write_leaves_nothing(tmp_path, summary, monkeypatch, step) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(fsspec.filesystem("file")), step, full)
    with pytest.raises(InputError, match=r"a\.parquet: cannot be written .*No space left"):
        write_partition(f"{tmp_path}/a.parquet", COLUMNS, summary)
    assert os.listdir(tmp_path) == []


def test_a_missing_partition_has_no_summary(tmp_path) -> None:
    assert read_summary(f"{tmp_path}/a.parquet") is None


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign"])
def test_a_damaged_partition_has_no_summary(tmp_path, summary, damage) -> None:
    path = tmp_path / "a.parquet"
    write_partition(str(path), COLUMNS, summary)
    if damage == "foreign":
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    else:
        path.write_bytes(path.read_bytes()[: -10 if damage == "cut" else 0])
    assert read_summary(str(path)) is None


def test_only_our_other_partitions_are_removed(tmp_path, summary) -> None:
    for name in "ab":
        write_partition(f"{tmp_path}/{name}.parquet", COLUMNS, summary)
    pq.write_table(
        pq.read_table(tmp_path / "a.parquet").replace_schema_metadata(None),
        tmp_path / "theirs.parquet",
    )
    (tmp_path / ".a.parquet.0123.tmp").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    assert remove_others(str(tmp_path), {"a.parquet"}) == ["b.parquet"]
    assert sorted(os.listdir(tmp_path)) == ["a.parquet", "notes.txt", "theirs.parquet"]
    assert partition_names(str(tmp_path)) == {"a.parquet", "theirs.parquet"}


def test_partitions_are_written_behind_any_fsspec_url(summary) -> None:
    fsspec.filesystem("memory").makedirs("/run", exist_ok=True)
    write_partition("memory://run/a.parquet", COLUMNS, summary)
    assert read_summary("memory://run/a.parquet") == summary
    assert partition_names("memory://run") == {"a.parquet"}


def test_the_key_knows_each_setting_and_not_their_order() -> None:
    assert settings_key(a=1, b={"c": 2}) == settings_key(b={"c": 2}, a=1)
    assert settings_key(a=1, b={"c": 2}) != settings_key(a=1, b={"c": 3})
    assert len(settings_key(a=1)) == 12


def test_write_needs_a_folder_that_exists(tmp_path: Path, summary) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_partition(f"{tmp_path}/nowhere/a.parquet", COLUMNS, summary)


def test_a_partition_written_anew_with_fewer_rows_has_no_summary(tmp_path, summary, caplog) -> None:
    path = tmp_path / "a.parquet"
    write_partition(str(path), COLUMNS, summary)
    pq.write_table(pq.read_table(path).slice(0, 1), path)
    assert read_summary(str(path)) is None
    write_partition(str(path), {name: column[:1] for name, column in COLUMNS.items()}, summary)
    assert read_summary(str(path)) is None
    assert len(caplog.messages) == 2
    assert remove_others(str(tmp_path), ()) == ["a.parquet"]


def test_a_changed_bit_of_a_partition_is_noticed(tmp_path, summary) -> None:
    path = tmp_path / "a.parquet"
    write_partition(str(path), COLUMNS, summary)
    content = bytearray(path.read_bytes())
    content[content.find(np.float32(2).tobytes()) + 1] ^= 1
    path.write_bytes(content)
    assert read_summary(str(path)) is None
