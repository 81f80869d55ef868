"""Flat jets, and threads over them."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors.jets.constituents import flat_jets, over_jets
from overdensity.processors.jets.momentum import cartesian, momenta


def make_jets(counts: list[int]) -> ak.Array:
    rng = np.random.default_rng(2)
    n = sum(counts)
    phi = rng.uniform(-np.pi, np.pi, n)
    particles = momenta(
        rng.exponential(20, n), rng.normal(0, 2, n), phi, np.array(counts), mass=rng.random(n)
    )
    return cartesian(particles)


def test_places_are_those_of_the_vector_library() -> None:
    jets = make_jets([4, 0, 7])
    flat, expected = flat_jets(jets), ak.flatten(jets)
    for values, name in zip(
        [*flat.places, flat.eta], ["pt", "rapidity", "phi", "eta"], strict=True
    ):
        np.testing.assert_allclose(values, getattr(expected, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(flat.counts, [4, 0, 7])
    np.testing.assert_array_equal(flat.jet_of, [0] * 4 + [2] * 7)


def test_a_particle_along_the_beam_at_great_rapidity_has_a_place() -> None:
    jets = cartesian(momenta(np.full(2, 5.0), np.array([-9.0, 9]), np.zeros(2), np.array([2])))
    np.testing.assert_allclose(flat_jets(jets).places[1], [-9, 9], rtol=1e-6)


def test_totals_are_those_of_each_jet() -> None:
    jets = make_jets([4, 0, 7])
    flat = flat_jets(jets)
    np.testing.assert_allclose(flat.total(flat.momenta[3]), ak.sum(jets.E, axis=1))
    assert flat_jets(jets[:0]).total(np.empty(0)).shape == (0,)


def test_a_selection_of_jets_is_as_good_as_packed_ones() -> None:
    jets = make_jets([4, 0, 7, 2])[[3, 2]]
    chosen, packed = flat_jets(jets), flat_jets(ak.to_packed(jets))
    np.testing.assert_array_equal(chosen.momenta, packed.momenta)
    np.testing.assert_array_equal(chosen.offsets, packed.offsets)


@pytest.mark.parametrize("pt", [np.nan, np.inf, 0.0, 1e200])
def test_constituents_without_a_place_are_refused(pt) -> None:
    jets = cartesian(momenta(np.array([9.0, 8, pt]), np.zeros(3), np.arange(3.0), np.array([3])))
    with pytest.raises(InputError, match="1 of 3 constituents have no pT or are not finite"):
        flat_jets(jets)


@pytest.mark.parametrize("n_jets", [0, 1, 3, 100])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_cover_each_jet_once(n_jets, threads) -> None:
    visits = np.zeros(n_jets, dtype=int)

    def run(first: int, last: int) -> None:
        visits[first:last] += 1

    over_jets(run, n_jets, threads=threads)
    np.testing.assert_array_equal(visits, 1)


def test_an_error_in_a_thread_is_raised() -> None:
    def run(first: int, last: int) -> None:
        if first > 0:
            msg = "no"
            raise InputError(msg)

    with pytest.raises(InputError, match="no"):
        over_jets(run, 10, threads=2)
