"""Ids and digests keep their values: the folds of all columns that were ever made depend on them."""

from __future__ import annotations

import hashlib

import numpy as np

from overdensity.core.identity import (
    GOLDEN,
    content_ids,
    content_ids_of_lists,
    hex_digest,
    integer_digest,
    json_digest,
    mix64,
    no_feature,
    number_ties,
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


def test_ids_by_content_do_not_depend_on_the_chunk_and_the_order() -> None:
    mass, pt = np.random.default_rng(1).uniform(1e3, 9e3, (2, 1000))
    ids = content_ids(mass, pt)
    np.testing.assert_array_equal(content_ids(mass[300:400], pt[300:400]), ids[300:400])
    np.testing.assert_array_equal(content_ids(mass[::-1], pt[::-1]), ids[::-1])
    np.testing.assert_array_equal(
        content_ids(np.float32(mass)), content_ids(np.float64(np.float32(mass)))
    )
    assert not np.isin(content_ids(pt, mass), ids).any()


def test_ids_by_content_do_not_repeat_and_fill_five_folds_evenly() -> None:
    ids = content_ids(np.arange(50_000) / 16)  # neighbours differ in one bit
    assert ids.dtype == np.uint64
    assert len(np.unique(ids)) == 50_000
    counts = np.bincount((ids % np.uint64(5)).astype(int))
    chi2 = float(np.sum((counts - 10_000) ** 2 / 10_000))
    assert chi2 < 18.5  # 0.1 % of chi2 with 4 degrees of freedom


def test_ids_of_lists_are_those_of_their_parts() -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 4, 200)
    pt, eta = rng.random((2, counts.sum()))
    ids = content_ids_of_lists(counts, pt, eta)
    first = counts[:50].sum()
    np.testing.assert_array_equal(
        content_ids_of_lists(counts[50:], pt[first:], eta[first:]), ids[50:]
    )
    assert len(np.unique(ids)) == np.count_nonzero(counts) + 1  # events without objects are alike
    np.testing.assert_array_equal(
        content_ids_of_lists(counts, np.float32(pt), np.float32(eta)), ids
    )


def test_ties_are_numbered_in_the_order_asked_for_and_none_is_dropped() -> None:
    ids = np.array([4, 9, 4, 4, 7, 9], np.uint64)
    feature = np.array([0.3, 0.1, 0.2, 0.1, 0.0, 0.1])
    numbered = number_ties(ids, feature)
    assert len(np.unique(numbered)) == 6
    assert numbered[[3, 4, 1]].tolist() == [4, 7, 9]
    order = [5, 3, 0, 1, 4, 2]
    again = number_ties(ids[order], feature[order])
    assert set(again.tolist()) == set(numbered.tolist())
    np.testing.assert_array_equal(again[[1, 2, 5]], numbered[[3, 0, 2]])


def test_ids_of_rows_do_not_repeat_and_not_depend_on_the_range_read() -> None:
    ids = row_ids("a.parquet", 0, 100_000)
    assert len(np.unique(ids)) == len(ids)
    np.testing.assert_array_equal(row_ids("a.parquet", 500, 600), ids[500:600])
    assert not np.isin(row_ids("b.parquet", 0, 1000), ids).any()


def test_ids_keep_their_values() -> None:
    # Written down when events got ids by content, as columns and scores on disk hold them.
    assert row_ids("box.parquet", 0, 3).tolist() == [
        16448433896751595531,
        9203876955572235375,
        9881111580084951217,
    ]
    assert content_ids(np.array([3100.5, 2800.0]), np.array([0.0, -0.0])).tolist() == [
        3568773957553879532,
        14775645812458448354,
    ]
    assert content_ids_of_lists(np.array([1, 0]), np.array([40.0])).tolist() == [
        2323537972341751872,
        16294208416658607535,
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


def test_what_an_event_counts_for_is_no_feature():
    assert no_feature(["mass", "labels", "Event"]) == ""
    for name in ("event", "weight", "label", "group"):
        assert no_feature(["mass", name]).startswith(f"{name!r} is no feature")
