"""Clustered and stored jets through the one interface."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors.final_states.jet_source import (
    ClusteredJets,
    StoredJets,
    at_rank,
    jet_source,
)
from overdensity.processors.jets.momentum import cartesian, momenta


@pytest.fixture
def stored() -> ak.Array:
    """Two events with three and one stored jets, not in order of pT."""
    counts = np.array([3, 1])
    pt = np.array([200.0, 500.0, 300.0, 100.0])
    jets = cartesian(momenta(pt, np.array([0.1, -1, 2, 0]), np.zeros(4), counts))
    for name, values in {
        "tau1": [0.2, 0.5, 0.0, 0.1],
        "tau2": [0.1, 0.1, 0.0, 0.09],
        "n": np.array([20, 50, 1, 10]),
        "softdrop_mass": [80.0, 90.0, 0.0, 5.0],
    }.items():
        jets = ak.with_field(jets, ak.unflatten(np.asarray(values), counts), name)
    return ak.zip({"fat_jets": jets}, depth_limit=1)


def test_stored_jets_are_put_in_order_and_soft_ones_left_out(stored) -> None:
    jets, inside = StoredJets("fat_jets").find(stored, min_pt=150.0, n_inside=2)
    assert np.hypot(jets.px, jets.py).tolist() == [[500, 300, 200], []]
    assert inside.n.tolist() == [[50, 1], []]


def test_stored_features_are_those_of_the_file_and_their_ratios(stored) -> None:
    source = StoredJets("fat_jets")
    flat = ak.flatten(source.find(stored, min_pt=0.0, n_inside=None).inside, axis=1)
    found = source.features(("tau21", "n", "softdrop_mass"), flat)
    assert list(found) == ["tau21", "n", "softdrop_mass"]
    np.testing.assert_allclose(found["tau21"], [0.2, 0, 0.5, 0.9])
    assert found["n"].dtype == np.int16
    assert found["softdrop_mass"].tolist() == [90, 0, 80, 5]


def test_a_feature_that_is_not_stored_names_what_is(stored) -> None:
    source = StoredJets("fat_jets")
    flat = ak.flatten(source.find(stored, min_pt=0.0, n_inside=None).inside, axis=1)
    with pytest.raises(
        InputError, match="no 'tau32' stored, but n, softdrop_mass, tau1, tau2, tau21;"
    ):
        source.features(("tau21", "tau32"), flat)


def test_charges_reach_the_features_of_clustered_jets() -> None:
    pt = np.array([100.0, 50.0, 30.0])
    place = np.array([0.0, 0.1, -0.1])
    particles = cartesian(momenta(pt, place, place, np.array([3])))
    charge = ak.values_astype(ak.Array([[1, 0, -1]]), np.int8)
    events = ak.zip({"particles": ak.with_field(particles, charge, "charge")}, depth_limit=1)
    source = ClusteredJets("particles", 1.0)
    _, inside = source.find(events, min_pt=1.0, n_inside=1)
    assert source.features(("n", "n_tracks"), ak.flatten(inside, axis=1))["n_tracks"] == [2]


@pytest.mark.parametrize(
    ("collection", "radius", "features", "message"),
    [
        ("particle", 1.0, (), "no jets from 'particle': did you mean 'particles'"),
        ("particles", 0.0, (), "the jet radius is 0.0; it must be positive"),
        ("particles", 1.0, ("tau1", "tua2"), "no jet feature 'tua2': did you mean 'tau2'"),
        ("particles", 1.0, ("n", "n"), "more than once: n"),
        ("jets", 1.0, ("n", "n"), "more than once: n"),
    ],
)
def test_what_cannot_be_is_refused(collection, radius, features, message) -> None:
    with pytest.raises(ConfigError, match=message):
        jet_source(collection, radius=radius, features=features)


def test_at_rank_picks_one_jet_of_each_event() -> None:
    counts = np.array([2, 0, 1, 3])
    column = np.array([10, 11, 20, 30, 31, 32], dtype=np.int16)
    assert at_rank(column, counts, 0).tolist() == [10, 0, 20, 30]
    assert at_rank(column, counts, 1).tolist() == [11, 0, 0, 31]
    assert at_rank(column, counts, 2).dtype == np.int16
    images = np.arange(24.0).reshape(6, 2, 2)
    assert at_rank(images, counts, 2).tolist() == [[[0, 0], [0, 0]]] * 3 + [images[5].tolist()]
    lists = ak.Array([[1.0], [2, 3], [], [4], [5, 6], [7]])
    assert at_rank(lists, counts, 1).tolist() == [[2, 3], [], [], [5, 6]]
    assert at_rank(lists[:0], np.array([0, 0]), 0).tolist() == [[], []]
