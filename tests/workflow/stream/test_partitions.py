"""Where a stream comes from."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.ml.toy_events import TOY_FEATURES
from overdensity.workflow.stream.partitions import (
    ArrowStream,
    Counted,
    PartitionFolder,
    first_events,
)

from .conftest import toy_table

WEIGHTED = toy_table(1).append_column("weight", pa.array([0.5] * 130))
TWICE = toy_table(1).append_column("j1_mass", pa.array([0.5] * 130))


def arrow_bytes(table: pa.Table, rows: int = 50) -> bytes:
    """Return a table in Arrow's stream format, so many rows a batch."""
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return buffer.getvalue()


def read(content: bytes, features: tuple[str, ...] = TOY_FEATURES) -> list[Sample]:
    source = ArrowStream(io.BytesIO(content), features, "mjj")
    return [sample for each in source.partitions({}) for sample in each.samples()]


def test_a_folder_gives_what_was_not_counted_as_a_whole(partitions: Path) -> None:
    (partitions / ".part9.parquet.tmp").touch()
    (partitions / "notes.txt").touch()
    source = PartitionFolder(str(partitions), TOY_FEATURES, "mjj")
    counted = {"part0.parquet": Counted(130, True, ""), "part1.parquet": Counted(50, False, "")}
    found = list(source.partitions(counted))
    assert [each.name for each in found] == ["part1.parquet", "part2.parquet"]
    assert sum(map(len, found[0].samples())) == 130


def test_standard_input_gives_its_batches_once() -> None:
    source = ArrowStream(io.BytesIO(arrow_bytes(toy_table(1))), TOY_FEATURES, "mjj")
    (stream,) = source.partitions({})
    assert [len(sample) for sample in stream.samples()] == [100, 30]  # by 100 it is known again
    assert not list(source.partitions({}))


def test_events_are_known_again_by_the_first_of_them() -> None:
    first, again, other = (
        first_events(read(arrow_bytes(toy_table(seed)))[0]) for seed in (1, 1, 2)
    )
    assert first == again != other


UNREADABLE = arrow_bytes(toy_table(1)).replace(b"j1_mass", b"\xff1_mass")


@pytest.mark.parametrize(
    ("content", "features", "said"),
    [
        (b"mjj,tau21\n3000,0.2\n", TOY_FEATURES, "standard input: not an Arrow stream"),
        (b"", TOY_FEATURES, "standard input: not an Arrow stream"),
        (UNREADABLE, TOY_FEATURES, "standard input: not an Arrow stream .*utf-8"),
        (arrow_bytes(toy_table(1))[:-900], TOY_FEATURES, "it ends in the middle of a record batch"),
        (arrow_bytes(toy_table(1)), ("tau32",), "standard input: no column 'tau32'"),
        (arrow_bytes(WEIGHTED), TOY_FEATURES, "standard input: events with weights"),
        (arrow_bytes(TWICE), TOY_FEATURES, "standard input: has the column 'j1_mass' twice"),
    ],
    ids=["text", "nothing", "names", "cut", "column", "weights", "twice"],
)
def test_what_is_no_stream_is_said(content: bytes, features: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(content, features)


def test_a_folder_may_have_colons_in_its_name(partitions: Path) -> None:
    place = partitions.rename(partitions.with_name("run::2"))
    found = list(PartitionFolder(str(place), TOY_FEATURES, "mjj").partitions({}))
    assert [sum(map(len, each.samples())) for each in found] == [130, 130, 130]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    source = PartitionFolder(str(tmp_path / "none"), TOY_FEATURES, "mjj")
    with pytest.raises(InputError, match=r"none: no such folder"):
        list(source.partitions({}))
