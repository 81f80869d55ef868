"""Lists of constituents, padded and normalised."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.blocks import constituents
from overdensity.ml.blocks.constituents import (
    Constituents,
    ConstituentsReader,
    mask_of,
)

JETS = [
    [(60.0, 0.1, 0.0), (30.0, -0.2, 0.1), (10.0, 0.0, -0.3)],
    [],
    [(5.0, 0.0, 0.0)],
]


@pytest.fixture
def jets():
    return Constituents.from_lists(JETS)


def random_jets(n: int, *, pt: float = 1.0, eta: float = 0.0, phi: float = 0.0) -> Constituents:
    """The same jets for all arguments, scaled in pT and moved on the detector."""
    rng = np.random.default_rng(3)
    return Constituents.from_lists(
        [
            [(pt * rng.exponential(20), eta + e, phi + f) for e, f in rng.normal(0, 0.2, (9, 2))]
            for _ in range(n)
        ]
    )


def test_padded_jets_have_their_constituents_and_then_zeros(jets):
    padded = jets.padded(2)[:]
    np.testing.assert_array_equal(padded[0], np.float32(JETS[0][:2]))
    np.testing.assert_array_equal(padded[1], 0)
    np.testing.assert_array_equal(padded[2], np.float32([JETS[2][0], (0, 0, 0)]))
    assert jets.padded(2).shape == padded.shape


def test_mask_counts_the_constituents_that_are_kept(jets):
    assert mask_of(jets.padded(2)[:]).sum(axis=1).tolist() == [2, 0, 1]


@pytest.mark.parametrize("which", [[2, 0], np.array([True, False, True]), slice(0, 2)])
def test_padded_rows_are_those_asked_for(jets, which):
    np.testing.assert_array_equal(jets.padded(3)[which], jets.padded(3)[:][which])


def test_jets_read_a_few_at_a_time_are_the_same(jets, monkeypatch):
    both = random_jets(5).beside(jets).normalised()
    at_once = [*both[::-1], both.padded(4)[::-1]]
    monkeypatch.setattr(constituents, "_ROWS", 20)
    for whole, again in zip(at_once, [*both[::-1], both.padded(4)[::-1]], strict=True):
        np.testing.assert_array_equal(again, whole)


def test_joined_and_taken_jets_keep_their_constituents(jets):
    other = Constituents.from_lists([[(1.0, 0.5, 0.5), (2.0, 0.6, 0.6)]])
    both = other.beside(jets).take(np.array([3, 0, 1]))
    assert both.counts.tolist() == [1, 2, 3]
    offsets, values = both[:]
    assert offsets.tolist() == [0, 1, 3, 6]
    np.testing.assert_array_equal(values[3:], np.float32(JETS[0]))


def test_normalised_fractions_add_up_to_one(jets):
    fractions = jets.normalised().padded(3)[:][:, :, 0]
    np.testing.assert_allclose(fractions.sum(axis=1), [1, 0, 1], rtol=1e-6)


def test_normalised_jets_know_neither_their_pt_nor_their_place():
    there, here = random_jets(20, pt=7.0, eta=0.8, phi=3.0), random_jets(20)
    np.testing.assert_allclose(
        there.normalised().padded(9)[:], here.normalised().padded(9)[:], atol=1e-5
    )


def test_normalised_jets_are_centered():
    offsets, values = random_jets(5, eta=1.2, phi=-3.1).normalised()[:]
    share, eta, phi = values.astype(float).T
    jet = np.repeat(np.arange(5), np.diff(offsets))
    np.testing.assert_allclose(np.bincount(jet, share * eta), 0, atol=1e-6)
    np.testing.assert_allclose(np.bincount(jet, share * np.sin(phi)), 0, atol=1e-6)


def test_normalising_twice_changes_nothing(jets):
    once = jets.normalised()
    np.testing.assert_array_equal(once.normalised().padded(3)[:], once.padded(3)[:])


def test_normalised_and_other_jets_are_not_joined(jets):
    with pytest.raises(InputError, match="normalised otherwise"):
        jets.beside(jets.normalised())


def test_batches_are_put_one_after_the_other():
    reader = ConstituentsReader(3, 10)
    values = np.float32(JETS[0] + JETS[2]).T
    reader.add(np.array([0, 3, 3]), [each[:3] for each in values])
    reader.add(np.array([0, 1]), [each[3:] for each in values])
    assert reader.block().counts.tolist() == [3, 0, 1]
    np.testing.assert_array_equal(reader.block()[:][1], values.T)


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_constituents_that_cannot_be_are_refused(bad):
    with pytest.raises(InputError, match="1 of 1 constituents are NaN or infinite, or have a neg"):
        Constituents.from_lists([[(bad, 0.0, 0.0)]])


def test_offsets_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="offsets that rise from 0"):
        Constituents.from_arrays([0, 3], np.zeros((2, 3)))
