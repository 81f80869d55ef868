"""Lists in Parquet files, and which of them can be features."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.ml.sample_stream import SampleStream

N = 40
NAMES = ("j1_tau21", "j1_constituents", "j1_image")


def lists(n: int = N) -> tuple[pa.Array, list[int]]:
    """Constituents of n jets, of which some have none."""
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, n)
    total = int(counts.sum())
    fields = [rng.uniform(1, 9, total), rng.normal(size=total), rng.normal(size=total)]
    struct = pa.StructArray.from_arrays(
        [pa.array(each.astype(np.float32)) for each in fields], ["pt", "eta", "phi"]
    )
    return pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(counts)]), struct), counts


def image_column(n: int = N, size: int = 4) -> pa.Array:
    pixels = np.random.default_rng(2).random((n, size, size), np.float32)
    rows = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), size)
    return pa.FixedSizeListArray.from_arrays(rows, size)


def table(**changed) -> pa.Table:
    rng = np.random.default_rng(0)
    made = {
        "mjj": rng.uniform(2600, 6000, N),
        "j1_tau21": rng.random(N, np.float32),
        "j1_constituents": lists()[0],
        "j1_image": image_column(),
        "group": np.arange(N) % 3,
    } | changed
    return pa.table(made)


@pytest.fixture
def file(tmp_path):
    pq.write_table(table(), tmp_path / "a.parquet", row_group_size=17)
    return tmp_path / "a.parquet"


def read(file, features=NAMES) -> Sample:
    return Sample.from_parquet(file, features=features)


def test_lists_become_blocks_and_numbers_features(file):
    sample = read(file)
    assert sample.names == ("j1_tau21",)
    assert {name: block.kind for name, block in sample.blocks.items()} == {
        "j1_constituents": "constituents",
        "j1_image": "images",
    }


def test_constituents_are_those_that_were_written(file):
    column, counts = lists()
    block = read(file).blocks["j1_constituents"]
    np.testing.assert_array_equal(block.counts, counts)
    np.testing.assert_array_equal(block[:][1][:, 0], column.flatten().field("pt").to_numpy())


def test_images_are_those_that_were_written(file):
    written = image_column().flatten().flatten().to_numpy().reshape(N, 4, 4)
    np.testing.assert_allclose(read(file).blocks["j1_image"][:], written, rtol=1e-3)


def test_large_lists_are_read_too(tmp_path):
    large = lists()[0]
    large = large.cast(pa.large_list(large.type.value_type))
    pq.write_table(table(j1_constituents=large), tmp_path / "a.parquet")
    assert read(tmp_path).blocks["j1_constituents"].counts.sum() == lists()[1].sum()


def test_group_is_taken_along(file):
    assert read(file).group.tolist() == [i % 3 for i in range(N)]


@pytest.mark.parametrize("field", ["pt", "eta"])
def test_a_file_with_impossible_constituents_is_named(file, field):
    jets = [[{"pt": 1.0, "eta": 0.0, "phi": 0.0}] for _ in range(N)]
    jets[7][0][field] = {"pt": -1.0, "eta": float("nan")}[field]
    pq.write_table(table(j1_constituents=pa.array(jets)), file.with_name("b.parquet"))
    said = (
        r"b\.parquet: column 'j1_constituents': 1 of 40 constituents are NaN or infinite, or have"
    )
    with pytest.raises(InputError, match=said):
        read(file.parent)
    with pytest.raises(InputError, match=said):
        list(SampleStream(file.parent, NAMES))


def test_stream_gives_the_events_of_the_whole_sample(file):
    whole = read(file)
    parts = list(SampleStream(file, NAMES, rows=7))
    assert max(map(len, parts)) <= 7
    again = Sample.concatenated(*parts)
    np.testing.assert_array_equal(again.event, whole.event)
    np.testing.assert_array_equal(again.features, whole.features)
    np.testing.assert_array_equal(again.group, whole.group)
    for name, block in whole.blocks.items():
        np.testing.assert_array_equal(again.blocks[name].summaries(), block.summaries())


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.0, 2.0]] * N),
        pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(3 * N)), 3),
        pa.array([[{"pt": 1.0, "mass": 2.0}]] * N),
    ],
    ids=["list", "vector", "other fields"],
)
def test_other_lists_are_refused(tmp_path, column):
    pq.write_table(table(j1_constituents=column), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"column 'j1_constituents' holds .*\{pt, eta, phi\}"):
        read(tmp_path)


def test_missing_lists_are_refused(tmp_path):
    values = lists()[0].to_pylist()
    column = pa.array([None, *values[1:]], type=lists()[0].type)
    pq.write_table(table(j1_constituents=column), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'j1_constituents' has missing values"):
        read(tmp_path)


def test_images_of_two_sizes_are_refused_with_both_files(tmp_path):
    pq.write_table(table(), tmp_path / "a.parquet")
    pq.write_table(table(j1_image=image_column(size=5)), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: column 'j1_image' .* in .*a\.parquet"):
        read(tmp_path)


def test_pixel_that_is_no_number_is_refused_with_its_column(tmp_path):
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(np.full(N * 16, np.nan)), 4)
    column = pa.FixedSizeListArray.from_arrays(pixels, 4)
    pq.write_table(table(j1_image=column), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column 'j1_image': 640 pixels"):
        read(tmp_path)


def test_unmet_needs_are_refused_by_name(file):
    with pytest.raises(
        InputError, match=r"'x' needs images; no column of features is one \(j1_image\?\)"
    ):
        read(file, ("j1_tau21", "j1_constituents")).showing(("images",), method="x")


def test_a_changed_bit_of_a_column_is_noticed_where_pages_have_checksums(tmp_path):
    """Partitions of a run have them; they are read again and again, and compared each time."""
    path = tmp_path / "a.parquet"
    whole = table()
    pq.write_table(whole, path, write_page_checksum=True, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[content.find(whole["mjj"].to_numpy().tobytes()) + 70] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"a\.parquet: its values cannot be read, the file is damaged"
    ):
        read(path)


@pytest.mark.parametrize("name", ["mjj", "j1_tau21", "label", "j1_pt"])
def test_a_column_twice_is_refused_where_it_would_be_read(tmp_path, name):
    made = table()
    columns, names = [*made.columns, made["mjj"], made["mjj"]], [*made.column_names, "x", "x"]
    pq.write_table(pa.Table.from_arrays(columns, names), tmp_path / "a.parquet")
    assert len(Sample.from_parquet(tmp_path / "a.parquet", features=["j1_tau21"])) == N
    twice = [name, name] if name not in made.column_names else [name]
    more = [made["mjj"]] * len(twice)
    made = pa.Table.from_arrays([*made.columns, *more], [*made.column_names, *twice])
    pq.write_table(made, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"a\.parquet: has the column '{name}' twice"):
        Sample.from_parquet(tmp_path / "a.parquet", features=["j1_tau21"])


def encoded(number: int) -> bytes:
    """An i64 field of Thrift's compact protocol, as the footers of Parquet files have it."""
    rest, found = 2 * number, b"\x16"
    while rest > 127:
        rest, found = rest >> 7, found + bytes([rest & 127 | 128])
    return found + bytes([rest])


def test_a_file_cannot_hold_more_rows_than_fit_into_it(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: np.ones(777, np.float32) for name in ("mjj", "x")}), path)
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[start:-8].replace(encoded(777), encoded(10**9))
    path.write_bytes(data[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(
        InputError, match=r"a\.parquet: says that it holds 1000000000 events in \d+"
    ):
        Sample.from_parquet(path, features=["x"])
