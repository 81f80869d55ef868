"""Columns that a cast would change in silence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample

N = 200


def read(tmp_path, **more) -> Sample:
    rng = np.random.default_rng(0)
    made = {"mjj": rng.uniform(2600, 6000, N), "x": rng.random(N), **more}
    pq.write_table(pa.table(made), tmp_path / "a.parquet")
    return Sample.from_parquet(tmp_path / "a.parquet", features=["x"])


@pytest.mark.parametrize("value", [-1, 128, 300, 0.5, np.nan, np.inf])
def test_a_label_is_a_small_whole_number(tmp_path, value):
    label = np.zeros(N)
    label[3] = value
    with pytest.raises(
        InputError, match=r"a\.parquet: column 'label': 1 of 200 values, the first "
    ):
        read(tmp_path, label=label)
    with pytest.raises(InputError, match="column 'label': 1 of 1 values"):
        Sample.from_arrays([3000.0], [[1.0]], ["x"], label=[value])


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.float32, np.bool_])
def test_truth_of_any_type_is_the_truth(tmp_path, kind):
    label = np.arange(N) % 2
    assert read(tmp_path, label=label.astype(kind)).label.tolist() == label.tolist()


def test_ids_of_real_numbers_are_whole(tmp_path):
    ids = np.arange(N, dtype=np.float64)
    assert read(tmp_path, event=ids).event.tolist() == list(range(N))
    for bad in (np.nan, 0.5, np.inf, 2.0**53 + 2):
        ids[::2] = bad
        with pytest.raises(InputError, match="column 'event': 100 of 200 values"):
            read(tmp_path, event=ids)


def test_groups_are_whole_numbers(tmp_path):
    with pytest.raises(InputError, match=r"column 'group': 200 of 200 values, the first 0\.5"):
        read(tmp_path, group=np.full(N, 0.5))


@pytest.mark.parametrize("name", ["event", "label", "group"])
def test_what_is_masked_is_missing(tmp_path, name):
    column = pa.array(np.ones(N, np.int64), mask=np.arange(N) % 2 == 0)
    with pytest.raises(InputError, match=f"column '{name}' has 100 missing values"):
        read(tmp_path, **{name: column})


@pytest.mark.parametrize("kind", [pa.int32(), pa.float32(), pa.bool_()])
def test_masked_features_are_not_numbers(tmp_path, kind):
    column = pa.array([1, None] * (N // 2)).cast(kind)
    with pytest.raises(InputError, match="column 'x': 100 of 200 values are NaN"):
        read(tmp_path, x=column)


def test_numbers_are_finite_as_they_are_used(tmp_path):
    with pytest.raises(InputError, match="column 'x': 200 of 200 values are NaN or infinite"):
        read(tmp_path, x=np.full(N, 1e39))
