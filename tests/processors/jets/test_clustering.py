"""Jets against FastJet's own objects, one event after another."""

from __future__ import annotations

import awkward as ak
import fastjet
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors import LhcoSource, read_events
from overdensity.processors.jets.clustering import cluster, eta_phi, invariant_mass, kinematics
from overdensity.processors.jets.momentum import cartesian, momenta


@pytest.fixture(scope="module")
def particles(lhco_file) -> ak.Array:
    return cartesian(read_events(LhcoSource(), lhco_file).particles)


@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_jets_are_those_of_a_loop_over_pseudojets(particles, radius) -> None:
    jets, constituents = cluster(particles, radius=radius)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    for event, found, inside in zip(particles, jets, constituents, strict=True):
        pseudojets = [
            fastjet.PseudoJet(*p)
            for p in zip(*(event[x].tolist() for x in ("px", "py", "pz", "E")), strict=True)
        ]
        sequence = fastjet.ClusterSequence(pseudojets, definition)
        expected = fastjet.sorted_by_pt(sequence.inclusive_jets())
        np.testing.assert_allclose(np.hypot(found.px, found.py), [jet.pt() for jet in expected])
        np.testing.assert_allclose(
            invariant_mass(found), [max(jet.m(), 0) for jet in expected], atol=1e-4
        )
        assert [len(x) for x in inside] == [len(jet.constituents()) for jet in expected[:2]]


def test_constituents_add_up_to_their_jet(particles) -> None:
    jets, constituents = cluster(particles)
    for name in ("px", "py", "pz", "E"):
        np.testing.assert_allclose(
            ak.flatten(ak.sum(constituents[name], axis=-1)),
            ak.flatten(jets[name][:, :2]),
            atol=1e-9,
        )


def test_events_without_particles_have_no_jets() -> None:
    counts = np.array([0, 1, 0])
    jets, constituents = cluster(cartesian(momenta(np.ones(1), np.ones(1), np.ones(1), counts)))
    assert ak.num(jets).tolist() == [0, 1, 0]
    assert ak.num(constituents).tolist() == [0, 1, 0]


def test_no_events_have_no_jets() -> None:
    none = np.empty(0)
    jets, _ = cluster(cartesian(momenta(none, none, none, np.empty(0, dtype=int))))
    assert len(jets) == 0


def test_mass_of_two_massless_particles() -> None:
    # m² = 2 pT1 pT2 (cosh Δη − cos Δφ)
    pair = cartesian(
        momenta(np.array([40.0, 70]), np.array([0.5, -1.0]), np.array([0.1, 2.0]), np.array([1, 1]))
    )
    flat = ak.flatten(pair)
    mass = invariant_mass(flat[:1], flat[1:])
    assert mass[0] == pytest.approx(np.sqrt(2 * 40 * 70 * (np.cosh(1.5) - np.cos(1.9))))


def test_eta_and_phi_are_those_that_were_put_in() -> None:
    eta, phi = np.array([0.3, -2.1]), np.array([3.0, -3.0])
    particles = cartesian(momenta(np.array([5.0, 9.0]), eta, phi, np.array([2])))
    np.testing.assert_allclose(eta_phi(ak.flatten(particles)), (eta, phi))


def test_kinematics_are_those_that_were_put_in() -> None:
    given = {"pt": [5.0, 9.0], "eta": [0.3, -2.1], "phi": [3.0, -3.0], "mass": [1.0, 0.0]}
    pt, eta, phi, mass = (np.array(values) for values in given.values())
    found = kinematics(ak.flatten(cartesian(momenta(pt, eta, phi, np.array([2]), mass=mass))))
    assert list(found) == list(given)
    for name, values in given.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)


def test_constituents_of_all_jets_are_given_if_asked(particles) -> None:
    jets, constituents = cluster(particles, min_pt=5.0, n_constituents=None)
    assert ak.num(constituents).tolist() == ak.num(jets).tolist()
    np.testing.assert_allclose(
        ak.flatten(ak.sum(constituents.px, axis=-1)), ak.flatten(jets.px), atol=1e-9
    )


def test_a_radius_of_zero_is_refused(particles) -> None:
    with pytest.raises(InputError, match="jet radius is 0"):
        cluster(particles, radius=0)
