"""Ids and digests keep their values: the folds of all columns that were ever made depend on them."""

from __future__ import annotations

import hashlib

import numpy as np

from overdensity.core.identity import (
    GOLDEN,
    event_ids,
    hex_digest,
    integer_digest,
    json_digest,
    mix64,
    row_ids,
    splitmix64,
    text_digest,
)

# Reference implementation of S. Vigna (prng.di.unimi.it/splitmix64.c), seed 1234567.
PUBLISHED = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_splitmix64_gives_the_published_sequence() -> None:
    states = np.uint64(1234567) + np.arange(5, dtype=np.uint64) * GOLDEN
    assert splitmix64(states).tolist() == PUBLISHED


def test_event_ids_are_the_stream_of_splitmix64() -> None:
    assert event_ids(1234567, np.arange(5)).tolist() == PUBLISHED


def test_event_ids_do_not_depend_on_the_chunk() -> None:
    ids = event_ids(7, np.arange(1000))
    np.testing.assert_array_equal(event_ids(7, np.arange(300, 400)), ids[300:400])


def test_event_ids_do_not_repeat() -> None:
    ids = np.concatenate(
        [event_ids(integer_digest(name), np.arange(50_000)) for name in (b"a", b"b")]
    )
    assert ids.dtype == np.uint64
    assert len(np.unique(ids)) == 100_000


def test_event_ids_fill_five_folds_evenly() -> None:
    counts = np.bincount((event_ids(7, np.arange(50_000)) % np.uint64(5)).astype(int))
    chi2 = float(np.sum((counts - 10_000) ** 2 / 10_000))
    assert chi2 < 18.5  # 0.1 % of chi2 with 4 degrees of freedom


def test_ids_of_rows_do_not_repeat_and_not_depend_on_the_range_read() -> None:
    ids = row_ids("a.parquet", 0, 100_000)
    assert len(np.unique(ids)) == len(ids)
    np.testing.assert_array_equal(row_ids("a.parquet", 500, 600), ids[500:600])
    assert not np.isin(row_ids("b.parquet", 0, 1000), ids).any()


def test_ids_are_those_of_columns_made_by_version_0_1() -> None:
    # Written down with the code of that version, as columns and scores on disk hold them.
    assert row_ids("box.parquet", 0, 3).tolist() == [
        16448433896751595531,
        9203876955572235375,
        9881111580084951217,
    ]
    assert event_ids(integer_digest(b"a"), np.arange(3)).tolist() == [
        4192132519135618423,
        5914708556773729588,
        11359034459365304104,
    ]


def test_mixing_is_one_to_one() -> None:
    values = np.arange(100_000, dtype=np.uint64)
    assert len(np.unique(mix64(values))) == len(values)


def test_digests_are_blake2b() -> None:
    content = [b"a file", b" and more"]
    reference = hashlib.blake2b(b"a file and more", digest_size=8)
    assert hex_digest(*content) == reference.hexdigest()
    assert integer_digest(*content) == int.from_bytes(reference.digest(), "little")
    assert text_digest("a file and more") == integer_digest(*content)


def test_digest_of_json_does_not_depend_on_the_order_of_keys() -> None:
    assert json_digest({"b": [1.0, None], "a": "x"}) == json_digest({"a": "x", "b": [1.0, None]})
    assert json_digest({"a": 1}) != json_digest({"a": 2})
