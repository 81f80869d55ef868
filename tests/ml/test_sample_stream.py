"""Events of files, some at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.ml.sample_stream import SampleStream


@pytest.fixture
def folder(tmp_path):
    for name, start in (("a", 0), ("b", 50)):
        mass = np.arange(start, start + 50.0) + 3000
        pq.write_table(pa.table({"mjj": mass, "x": mass / 2}), tmp_path / f"{name}.parquet")
    return tmp_path


def test_no_more_rows_are_held_than_asked_for(folder):
    assert [len(part) for part in SampleStream(folder, ("x",), rows=20)] == [20, 20, 10] * 2


def test_ids_are_those_of_the_whole_sample(folder):
    whole = Sample.from_parquet(folder, features=("x",))
    streamed = [part.event for part in SampleStream(folder, ("x",), rows=20)]
    np.testing.assert_array_equal(np.concatenate(streamed), whole.event)


def test_a_second_pass_gives_the_same(folder):
    stream = SampleStream(folder, ("x",), rows=30)
    first, second = ([part.mass for part in stream] for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))


def test_missing_column_is_refused_when_it_is_read(folder):
    with pytest.raises(InputError, match="no column 'y'"):
        next(iter(SampleStream(folder, ("y",))))
