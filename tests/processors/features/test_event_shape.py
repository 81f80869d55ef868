"""Whole events, groomed, against FastJet's pseudojets and pencil and paper."""

from __future__ import annotations

import math

import awkward as ak
import fastjet
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import InputError
from overdensity.processors.features.event_shape import event_shape
from overdensity.processors.features.n_subjettiness import contrib_n_subjettiness
from overdensity.processors.jets.momentum import cartesian, momenta
from overdensity.processors.sources.lhco import LhcoSource
from overdensity.processors.sources.source import read_events


@pytest.fixture(scope="module", params=["made here", "official"])
def events(request) -> ak.Array:
    """Events of sprays of particles, and of the official sample, some 170 particles each."""
    if request.param == "made here":
        path = request.getfixturevalue("lhco_file")
    else:
        folder = request.getfixturevalue("shared_data")
        path = str(folder / "lhco" / "events_anomalydetection_tiny.h5")
    return cartesian(read_events(LhcoSource(), path, 0, 60).particles)


def groomed_by_recursion(
    event: ak.Array, z_cut: float = 0.15, beta: float = 0.7, radius: float = 1.0
) -> list[fastjet.PseudoJet]:
    """The particles left of an event, widest splitting first, on FastJet's own tree."""
    columns = (event[name].tolist() for name in ("px", "py", "pz", "E"))
    particles = [fastjet.PseudoJet(*p) for p in zip(*columns, strict=True)]
    whole = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)
    sequence = fastjet.ClusterSequence(particles, whole)
    left, branches = [], list(sequence.inclusive_jets())
    while branches:
        pieces = []
        for branch in branches:
            a, b = fastjet.PseudoJet(), fastjet.PseudoJet()
            if branch.has_parents(a, b):
                pieces.append((a.delta_R(b), branch, a, b))
            else:
                left.append(fastjet.PseudoJet(branch.px(), branch.py(), branch.pz(), branch.e()))
        branches = [branch for _, branch, _, _ in pieces]
        if not pieces:
            break
        angle, widest, a, b = max(pieces, key=lambda piece: piece[0])
        branches.remove(widest)
        if min(a.pt(), b.pt()) / (a.pt() + b.pt()) > z_cut * (angle / radius) ** beta:
            branches += [a, b]
            radius = angle if angle > 1e-8 else radius
        else:
            branches.append(a if a.pt() > b.pt() else b)
    return left


def test_groomed_events_are_those_of_a_recursion_over_pseudojets(events) -> None:
    shape = event_shape(events[:25])
    for i, event in enumerate(events[:25]):
        left = groomed_by_recursion(event)
        total = sum(left[1:], left[0])
        assert shape.n_rsd[i] == len(left)
        assert shape.m_rsd[i] == pytest.approx(total.m(), rel=1e-6)
        rest = [[{x: getattr(p, x.lower())() for x in ("px", "py", "pz", "E")} for p in left]]
        expected = contrib_n_subjettiness(ak.Array(rest, with_name="Momentum4D"), (1, 2, 3, 4))
        np.testing.assert_allclose(shape.tau[i], expected[0], rtol=1e-5, atol=1e-7)


def test_without_a_threshold_the_mass_is_that_of_the_event(events) -> None:
    total = [ak.sum(events[x], axis=1) for x in ("px", "py", "pz", "E")]
    mass = np.sqrt(total[3] ** 2 - total[0] ** 2 - total[1] ** 2 - total[2] ** 2)
    np.testing.assert_allclose(event_shape(events, z_cut=0.0).m_rsd, mass, rtol=1e-9)


def three_jets(angles: list[float]) -> ak.Array:
    """Three narrow jets of 1 TeV at these azimuths, and a whisper all over the detector."""
    rng = np.random.default_rng(5)
    phi = np.concatenate([np.repeat(angles, 5) + rng.normal(0, 0.01, 15), rng.uniform(-3, 3, 40)])
    eta = np.concatenate([rng.normal(0, 0.01, 15), rng.uniform(-2, 2, 40)])
    pt = np.concatenate([np.full(15, 200.0), np.full(40, 0.5)])
    return cartesian(momenta(pt, eta, np.arctan2(np.sin(phi), np.cos(phi)), np.array([55])))


def test_three_jets_are_three_prongs_without_the_whisper() -> None:
    ht, _, m_rsd, n_rsd, tau = event_shape(three_jets([0.0, 2.1, -2.1]), (1, 2, 3))
    assert ht[0] == pytest.approx(3020)
    # a symmetric star at rest: the mass is the energy
    assert m_rsd[0] == pytest.approx(3000, rel=1e-2)
    assert n_rsd[0] <= 15
    assert tau[0, 2] < 0.02 * tau[0, 1]
    assert tau[0, 1] > 0.2


def test_events_of_few_particles_are_no_trouble() -> None:
    counts = np.array([0, 1, 2, 0])
    particles = momenta(np.full(3, 9.0), np.zeros(3), np.array([1, 0, 2.0]), counts)
    ht, _, m_rsd, n_rsd, tau = event_shape(cartesian(particles), (1, 2))
    np.testing.assert_allclose(ht, [0, 9, 18, 0])
    np.testing.assert_allclose(m_rsd, [0, 0, 18 * math.sin(1.0), 0], atol=1e-6)
    assert n_rsd.tolist() == [0, 1, 2, 0]
    np.testing.assert_array_equal(tau[[0, 1, 3]], 0)
    none = event_shape(cartesian(particles)[:0])
    assert [len(column) for column in none] == [0, 0, 0, 0, 0]


@given(st.integers(0, 2**32 - 1), st.floats(-math.pi, math.pi), st.floats(-1, 1))
def test_turns_and_boosts_along_the_beam_and_order_change_nothing(seed, angle, rapidity) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 120))
    pt, y, phi = rng.exponential(30, n) + 0.5, rng.normal(0, 1, n), rng.uniform(-3, 3, n)
    moved = np.arctan2(np.sin(phi + angle), np.cos(phi + angle))
    order = rng.permutation(n)
    counts = np.array([n])
    before = event_shape(cartesian(momenta(pt, y, phi, counts)))
    after = event_shape(cartesian(momenta(pt[order], y[order] + rapidity, moved[order], counts)))
    np.testing.assert_array_equal(after.n_rsd, before.n_rsd)
    np.testing.assert_allclose(after.m_rsd, before.m_rsd, rtol=1e-7, atol=1e-3)
    np.testing.assert_allclose(after.ht, before.ht)


def test_what_must_be_positive_is_refused_otherwise() -> None:
    with pytest.raises(InputError, match="must be positive"):
        event_shape(three_jets([0.0, 2.1, -2.1]), (0,))
    with pytest.raises(InputError, match="R0 must be positive"):
        event_shape(three_jets([0.0, 2.1, -2.1]), radius=0.0)
