"""Tables of which no bit changes in silence."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.processors.columns.checked_table import read_checked, write_checked

N = 30


def table() -> pa.Table:
    """One column of each kind that a processor makes."""
    rng = np.random.default_rng(0)
    fields = [pa.array(rng.random(2 * N, np.float32)) for _ in range(3)]
    particles = pa.StructArray.from_arrays(fields, ["pt", "eta", "phi"])
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(rng.random(4 * N, np.float32)), 2)
    made = {
        "event": rng.integers(0, 2**63, N, np.uint64),
        "mjj": rng.random(N, np.float32),
        "label": (np.arange(N) % 2).astype(np.int8),
        "passed": np.arange(N) % 3 == 0,
        "constituents": pa.ListArray.from_arrays(np.arange(0, 2 * N + 1, 2), particles),
        "image": pa.FixedSizeListArray.from_arrays(pixels, 2),
    }
    return pa.table(made).replace_schema_metadata({b"overdensity": b'{"rows": 30}'})


def written(values: pa.Table) -> bytes:
    file = io.BytesIO()
    write_checked(values, file)
    return file.getvalue()


def test_a_table_comes_back_and_any_reader_reads_it() -> None:
    content = written(table())
    found = read_checked(io.BytesIO(content), "a.parquet")
    assert found.equals(table())
    assert pq.read_table(io.BytesIO(content)).equals(table())
    assert found.schema.metadata[b"overdensity"] == b'{"rows": 30}'


@pytest.mark.parametrize(
    "values", [table().slice(0, 0), table().slice(3, 5), table().drop(["mjj"])]
)
def test_parts_and_empty_tables_have_checksums_too(values) -> None:
    assert read_checked(io.BytesIO(written(values)), "a.parquet").equals(values)


def test_row_groups_and_compression_do_not_matter() -> None:
    file = io.BytesIO()
    checked = read_checked(io.BytesIO(written(table())), "a.parquet")
    pq.write_table(checked, file, row_group_size=7, compression="none")
    assert read_checked(file, "a.parquet").equals(table())


@pytest.mark.parametrize("change", ["fewer rows", "another name", "another note", "other values"])
def test_what_was_written_anew_is_refused(change) -> None:
    found = read_checked(io.BytesIO(written(table())), "a.parquet")
    notes = found.schema.metadata
    if change == "fewer rows":
        found = found.slice(0, 20)
    elif change == "another name":
        found = found.rename_columns(["event", "m", *found.column_names[2:]])
    elif change == "another note":
        found = found.replace_schema_metadata({**notes, b"overdensity": b'{"rows": 31}'})
    else:
        found = found.set_column(1, "mjj", pa.array(np.zeros(N, np.float32)))
    file = io.BytesIO()
    pq.write_table(found, file)
    with pytest.raises(InputError, match=r"^a\.parquet: damaged"):
        read_checked(file, "a.parquet")


def test_no_changed_bit_changes_a_value() -> None:
    good, rng, refused = written(table()), np.random.default_rng(1), 0
    some = rng.choice(len(good), 800, replace=False)
    for at in some:
        bad = bytearray(good)
        bad[at] ^= 1 << int(rng.integers(8))
        try:
            found = read_checked(io.BytesIO(bytes(bad)), "a.parquet")
        except InputError:
            refused += 1
        else:
            assert found.equals(table())
    assert refused > 500
