"""Sequences of constituents against the definitions of their order."""

from __future__ import annotations

from math import hypot, pi

import awkward as ak
import numpy as np
import pytest

from overdensity.processors.features.sequences import kt_sequences, pt_sequences
from overdensity.processors.jets.constituents import flat_jets
from overdensity.processors.jets.momentum import cartesian, momenta


def make_jets(counts: list[int]) -> ak.Array:
    """Jets across φ = π."""
    rng = np.random.default_rng(7)
    n = sum(counts)
    phi = np.pi + rng.normal(0, 0.3, n)
    phi = np.arctan2(np.sin(phi), np.cos(phi))
    return cartesian(momenta(rng.exponential(20, n), rng.normal(1, 0.3, n), phi, np.array(counts)))


def in_kt_order(jet: list[dict[str, float]]) -> list[float]:
    """Transverse momenta in the order of equation (3.1) of arXiv:2101.08320."""
    left = sorted(jet, key=lambda particle: -particle["pt"])
    sequence = left[:1]
    del left[:1]

    def kt(particle: dict[str, float]) -> float:
        last = sequence[-1]
        dphi = abs(particle["phi"] - last["phi"])
        distance = hypot(particle["eta"] - last["eta"], min(dphi, 2 * pi - dphi))
        return particle["pt"] * distance

    while left:
        sequence.append(left.pop(left.index(max(left, key=kt))))
    return [particle["pt"] for particle in sequence]


def test_kt_order_is_as_defined() -> None:
    jets = make_jets([15, 0, 1, 40, 2])
    fields = {name: getattr(jets, name) for name in ("pt", "eta", "phi")}
    expected = [in_kt_order(jet) for jet in ak.zip(fields).to_list()]
    sequences = kt_sequences(flat_jets(jets))
    assert ak.num(sequences).to_list() == [15, 0, 1, 40, 2]
    np.testing.assert_allclose(
        ak.flatten(sequences.pt), np.concatenate([np.array(pt) for pt in expected]), rtol=1e-6
    )


def test_kt_order_travels_between_prongs() -> None:
    # "the kt-sorted sequence consistently travels back and forth between each prong"
    rng = np.random.default_rng(1)
    prong = np.repeat([0.0, 0.6], 10)
    eta = prong + rng.normal(0, 0.01, 20)
    jets = cartesian(momenta(rng.uniform(20, 30, 20), eta, np.zeros(20), np.array([20])))
    sides = np.sign(ak.to_numpy(kt_sequences(flat_jets(jets))[0].eta))
    np.testing.assert_array_equal(sides[1:], -sides[:-1])


def test_pt_order_falls() -> None:
    jets = make_jets([15, 0, 1, 40])
    expected = ak.sort(jets.pt, axis=1, ascending=False)
    sequences = pt_sequences(flat_jets(jets))
    np.testing.assert_allclose(ak.flatten(sequences.pt), ak.flatten(expected), rtol=1e-6)


@pytest.mark.parametrize("sequences", [kt_sequences, pt_sequences])
def test_positions_are_relative_to_the_sum_of_the_momenta(sequences) -> None:
    jets = make_jets([15, 0, 1, 40])
    axes = ak.sum(jets, axis=1)
    relative = sequences(flat_jets(jets))
    eta, phi = relative.eta + axes.eta, relative.phi + axes.phi
    expected = jets[ak.argsort(jets.pt, axis=1)]
    order = ak.argsort(relative.pt, axis=1)
    np.testing.assert_allclose(ak.flatten(eta[order]), ak.flatten(expected.eta), atol=1e-5)
    assert ak.all(abs(relative.phi) < 1.5)
    np.testing.assert_allclose(ak.flatten(np.cos(phi[order] - expected.phi)), 1, atol=1e-9)


@pytest.mark.parametrize("sequences", [kt_sequences, pt_sequences])
def test_a_cut_sequence_is_the_beginning_of_the_whole(sequences) -> None:
    jets = flat_jets(make_jets([15, 0, 1, 40]))
    whole, cut = sequences(jets), sequences(jets, longest=10)
    assert ak.num(cut).to_list() == [10, 0, 1, 10]
    assert ak.array_equal(cut, whole[:, :10])


def test_particles_of_equal_pt_stay_in_their_order() -> None:
    eta = np.array([0.5, -0.2, 0.4, 0.1])
    jets = cartesian(momenta(np.full(4, 10.0), eta, np.full(4, 1.0), np.array([4])))
    steps = np.diff(pt_sequences(flat_jets(jets)).eta[0])
    np.testing.assert_allclose(steps, np.diff(eta), rtol=1e-5)


@pytest.mark.parametrize("sequences", [kt_sequences, pt_sequences])
def test_particles_on_one_spot_are_all_there(sequences) -> None:
    jets = cartesian(momenta(np.full(4, 9.0), np.full(4, 0.5), np.full(4, 1.0), np.array([4])))
    np.testing.assert_array_equal(sequences(flat_jets(jets)).pt.to_list(), np.full((1, 4), 9.0))
