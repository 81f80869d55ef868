"""Jet columns without the resonant mass, in the order of their masses."""

from __future__ import annotations

import numpy as np

from overdensity.ml import Sample
from overdensity.ml.inputs.jet_columns import mass_difference, rescale_masses, sort_jets


def test_published_rescaling_at_3_tev_divides_by_3_tev():
    names = ["j1_mass", "mJ1", "dmJ", "j1_tau21"]
    sample = Sample.from_arrays([3000.0], [[300.0, 300.0, 300.0, 0.3]], names)
    np.testing.assert_allclose(rescale_masses(sample).features, [[0.1, 0.1, 0.1, 0.3]], rtol=1e-6)


def test_rescaling_follows_equation_4_2():
    sample = Sample.from_arrays([5000.0], [[430.0]], ["j1_mass"])
    np.testing.assert_allclose(rescale_masses(sample).features, [[400 / 5000 + 0.01]], rtol=1e-6)


def test_lighter_jet_comes_first_with_all_its_columns():
    names = ["j1_mass", "j2_mass", "j1_tau21", "j2_tau21", "ht"]
    rows = [[500.0, 100.0, 0.5, 0.1, 7.0], [100.0, 500.0, 0.1, 0.5, 8.0]]
    ordered = sort_jets(Sample.from_arrays([3500.0, 3500.0], rows, names)).features
    expected = np.float32([[100.0, 500.0, 0.1, 0.5, 7.0], [100.0, 500.0, 0.1, 0.5, 8.0]])
    np.testing.assert_array_equal(ordered, expected)


def test_sample_without_two_jet_masses_stays():
    sample = Sample.from_arrays([3500.0], [[0.5, 0.1]], ["j1_tau21", "j2_tau21"])
    assert sort_jets(sample) is sample


def test_mass_difference_is_the_heavier_minus_the_lighter():
    sample = Sample.from_arrays(
        [3000.0, 4000.0], [[300.0, 100.0, 0.1], [50.0, 80.0, 0.2]], ("j1_mass", "j2_mass", "j1_n")
    )
    found = mass_difference(sort_jets(sample))
    assert found.names == ("j1_mass", "dmJ", "j1_n")
    np.testing.assert_allclose(found.features[:, :2], [[100.0, 200.0], [50.0, 30.0]])


def test_mass_difference_leaves_other_samples_as_they_are():
    sample = Sample.from_arrays([3000.0], [[100.0, 0.3]], ("mJ1", "tau21_1"))
    assert mass_difference(sample) is sample
