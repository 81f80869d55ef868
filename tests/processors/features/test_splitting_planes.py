"""Planes of splittings: every splitting in its cell, and none twice."""

from __future__ import annotations

import awkward as ak
import numpy as np

from overdensity.processors.features.cambridge import cambridge_aachen
from overdensity.processors.features.declustering import lund_declusterings
from overdensity.processors.features.splitting_planes import (
    LUND_PLANE,
    MASS_PLANE,
    lund_plane,
    mass_plane,
)
from overdensity.processors.features.table import jet_features
from overdensity.processors.jets.momentum import cartesian, momenta


def jets():
    """Jets of 2 to 40 particles within ΔR of about 0.5, and one of a single particle."""
    rng = np.random.default_rng(0)
    counts = np.r_[rng.integers(2, 40, 30), 1]
    n = counts.sum()
    return cartesian(
        momenta(rng.exponential(40, n), rng.normal(0, 0.3, n), rng.normal(0, 0.3, n), counts)
    )


def test_three_particles_have_two_splittings_where_they_belong():
    # 100 GeV and 50 GeV 0.02 apart, 50 GeV more 0.8 away: m ≈ sqrt(pT1 pT2) ΔR
    pt, phi = np.array([100.0, 50.0, 50.0]), np.array([0.0, 0.02, 0.8])
    trees = cambridge_aachen(cartesian(momenta(pt, np.zeros(3), phi, np.array([3]))))
    plane = mass_plane(trees)[0]
    assert plane.sum() == 1  # the inner one has 1.4 GeV
    row, column = np.argwhere(plane)[0]
    mass = trees.masses[-1]
    assert 30 + 10 * row <= mass < 40 + 10 * row
    assert column == 0  # a mass drop of 1.4 / 67


def test_splittings_of_heavy_subjets_with_a_mass_drop_are_counted():
    trees = cambridge_aachen(jets())
    heavy = (trees.pieces[0] >= 0) & (trees.masses > 30.0)
    heavy &= trees.masses[trees.pieces].max(axis=0) <= 0.8 * trees.masses
    jet = np.repeat(np.arange(len(trees)), np.diff(trees.offsets))
    expected = np.bincount(jet[heavy], minlength=len(trees))
    found = mass_plane(trees)
    assert found.shape == (len(trees), *MASS_PLANE)
    np.testing.assert_array_equal(found.sum(axis=(1, 2)), expected)


def test_cells_of_the_lund_plane_are_those_of_numpy():
    primary = lund_declusterings(jets())
    edges = [np.linspace(-1, 7, 17), np.linspace(0, 5, 11)]
    found = jet_features(["lund_plane"], jets(), radius=1.0)["lund_plane"]
    assert found.shape == (len(primary), *LUND_PLANE)
    for jet, counts in zip(primary, found, strict=True):
        values = ak.to_numpy(jet.ln_kt), ak.to_numpy(jet.ln_inv_delta)
        np.testing.assert_array_equal(counts, np.histogram2d(*values, bins=edges)[0])


def test_what_lies_outside_of_the_plane_is_left_out():
    jet, inside, outside = np.zeros(3, np.int64), 1.0, np.array([-2.0, 7.5, 1.0])
    found = lund_plane(jet, np.full(3, inside), outside, n_jets=2)
    assert found.sum(axis=(1, 2)).tolist() == [1, 0]


def test_both_planes_are_features_of_a_jet():
    found = jet_features(["mass_plane", "lund_plane"], jets(), radius=1.0)
    assert [column.dtype for column in found.values()] == [np.uint8, np.uint8]
