"""Chunks, and the ids of events."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors.sources.chunks import (
    Chunk,
    FileSummary,
    event_ids,
    file_identity,
    split,
)


@pytest.mark.parametrize("chunk_events", [1, 7, 99, 100, 1000])
def test_chunks_cover_each_entry_once(chunk_events: int) -> None:
    chunks = split(FileSummary("a.h5", 100, 5), chunk_events)
    entries = np.concatenate([np.arange(chunk.start, chunk.stop) for chunk in chunks])
    np.testing.assert_array_equal(entries, np.arange(100))


def test_an_empty_file_gives_one_empty_chunk() -> None:
    assert split(FileSummary("a.h5", 0, 5), 10) == [Chunk("a.h5", 0, 0, 5)]


def test_a_chunk_without_events_is_refused() -> None:
    with pytest.raises(InputError, match="chunk_events is 0"):
        split(FileSummary("a.h5", 3, 5), 0)


def test_names_of_chunks_sort_by_entry() -> None:
    names = [chunk.name for chunk in split(FileSummary("x/a.h5", 12_000, 5), 999)]
    assert names == sorted(names)
    assert names[0] == "a-000000000-000000999"


def test_a_chunk_travels_to_a_worker() -> None:
    chunk = Chunk("a.h5", 3, 9, 2**63 + 1)
    assert pickle.loads(pickle.dumps(chunk)) == chunk


def test_event_ids_are_the_stream_of_splitmix64() -> None:
    # Reference implementation of S. Vigna (prng.di.unimi.it/splitmix64.c), seed 1234567.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert event_ids(1234567, np.arange(3)).tolist() == expected


def test_event_ids_do_not_repeat() -> None:
    ids = np.concatenate(
        [event_ids(file_identity(name), np.arange(50_000)) for name in (b"a", b"b")]
    )
    assert ids.dtype == np.uint64
    assert len(np.unique(ids)) == 100_000


def test_event_ids_fill_five_folds_evenly() -> None:
    counts = np.bincount((event_ids(7, np.arange(50_000)) % np.uint64(5)).astype(int))
    chi2 = float(np.sum((counts - 10_000) ** 2 / 10_000))
    assert chi2 < 18.5  # 0.1 % of chi2 with 4 degrees of freedom
