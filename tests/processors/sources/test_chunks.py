"""Chunks, and the ids of events."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors.sources.chunks import Chunk, FileSummary, split


@pytest.mark.parametrize("chunk_events", [1, 7, 99, 100, 1000])
def test_chunks_cover_each_entry_once(chunk_events: int) -> None:
    chunks = split(FileSummary("a.h5", 100, 5), chunk_events)
    entries = np.concatenate([np.arange(chunk.start, chunk.stop) for chunk in chunks])
    np.testing.assert_array_equal(entries, np.arange(100))


def test_an_empty_file_gives_one_empty_chunk() -> None:
    assert split(FileSummary("a.h5", 0, 5), 10) == [Chunk("a.h5", 0, 0)]


def test_a_chunk_without_events_is_refused() -> None:
    with pytest.raises(InputError, match="chunk_events is 0"):
        split(FileSummary("a.h5", 3, 5), 0)


def test_names_of_chunks_sort_by_entry() -> None:
    names = [chunk.name for chunk in split(FileSummary("x/a.h5", 12_000, 5), 999)]
    assert names == sorted(names)
    assert names[0] == "a-000000000-000000999"


def test_a_chunk_travels_to_a_worker() -> None:
    chunk = Chunk("a.h5", 3, 9)
    assert pickle.loads(pickle.dumps(chunk)) == chunk
