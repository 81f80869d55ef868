"""Jets boosted to one mass and energy, against four-vectors added up particle by particle."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml.inputs.boosted_sequences import ENERGY, MASS, boosted, sequences


def four_momentum(places):
    """Return E, px, py and pz of the sum of massless particles, shape (n_jets, 4)."""
    pt, eta, phi = places.astype(float).transpose(2, 0, 1)
    each = pt * np.stack([np.cosh(eta), np.cos(phi), np.sin(phi), np.sinh(eta)])
    return each.sum(axis=2).T


@pytest.fixture(scope="module")
def jets():
    rng = np.random.default_rng(1)
    jets = rng.normal(0, 0.15, (50, 12, 3))
    jets[..., 0] = rng.dirichlet(np.ones(12), 50)
    jets[:10, 8:] = 0.0
    return jets.astype(np.float32)


@pytest.fixture(scope="module")
def places(jets):
    return boosted(jets)


def test_all_jets_have_one_mass_and_one_energy(places):
    energy, *momentum = four_momentum(places).T
    np.testing.assert_allclose(energy, ENERGY, rtol=1e-6)
    mass2 = energy**2 - np.square(momentum).sum(axis=0)
    np.testing.assert_allclose(np.sqrt(mass2), MASS, rtol=1e-5)


def test_axis_is_eta_and_phi_zero_and_hardest_has_eta_zero(places):
    momentum = four_momentum(places)[:, 1:]
    np.testing.assert_allclose(momentum[:, 1:], 0.0, atol=1e-6)
    energies = places[..., 0] * np.cosh(places[..., 1])
    hardest = places[np.arange(50), energies.argmax(axis=1)]
    np.testing.assert_allclose(hardest[:, 1], 0.0, atol=1e-6)
    assert (hardest[:, 2] > 0).all()


def test_what_is_left_lies_within_the_radius(places):
    assert np.hypot(places[..., 1], places[..., 2]).max() <= 1.0


def test_neither_scale_nor_rotation_about_the_beam_nor_order_changes_a_jet(jets, places):
    moved = jets.copy()
    moved[..., 0] *= 700.0
    moved[..., 2] += 0.5 * (jets[..., 0] > 0)
    order = np.random.default_rng(0).permutation(12)
    again = boosted(moved[:, order])
    np.testing.assert_allclose(again, places[:, order], atol=2e-5)


def test_boost_along_the_jet_changes_nothing():
    # Two particles of equal energy at angles ±a: after the boost to m/E = 0.25 the angle is known.
    for angle in (0.05, 0.3):
        pair = np.array([[[0.5, 0.0, angle], [0.5, 0.0, -angle], [1e-7, 0.0, 0.01]]], np.float32)
        found = boosted(pair)
        np.testing.assert_allclose(np.abs(found[0, :2, 2]), np.arcsin(0.25), rtol=1e-3)


def test_jets_that_cannot_be_boosted_are_empty():
    collinear = np.zeros((2, 5, 3), np.float32)
    collinear[0, :, 0] = 0.2  # no mass
    collinear[1, :2] = [[0.5, 0.1, 0.0], [0.5, -0.1, 0.0]]  # two constituents
    assert not boosted(collinear).any()
    assert sequences(collinear, 4).shape == (2, 4, 3)
    assert not sequences(collinear, 4).any()


def test_each_constituent_is_the_farthest_in_kt_from_the_one_before(jets):
    for jet in sequences(jets, 12):
        left = [each for each in jet if each[0] > 0]
        here = max(left, key=lambda each: each[0])
        np.testing.assert_array_equal(jet[0], here)
        for following in jet[1 : len(left)]:
            left = [each for each in left if each is not here]
            here = max(left, key=lambda each: each[0] * np.hypot(*(each[1:] - here[1:])))
            np.testing.assert_array_equal(following, here)


def test_a_short_sequence_keeps_the_largest_kt_to_the_axis(jets, places):
    kept = sequences(jets, 4, "pt")
    assert ((kept[..., 0] > 0).sum(axis=1) >= 3).all()
    assert (np.diff(kept[..., 0], axis=1) <= 0).all()
    kt = np.sort(places[..., 0] * np.hypot(places[..., 1], places[..., 2]), axis=1)[:, ::-1]
    assert kt[0, 0] > 0
    energy = four_momentum(kept)[:, 0]
    np.testing.assert_allclose(energy, ENERGY, rtol=1e-5)  # boosted anew
