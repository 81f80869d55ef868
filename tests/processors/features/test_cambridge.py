"""Clustering trees against those of FastJet."""

from __future__ import annotations

import awkward as ak
import fastjet
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors.features.cambridge import Trees, cambridge_aachen
from overdensity.processors.jets.constituents import flat_jets
from overdensity.processors.jets.momentum import cartesian, momenta
from overdensity.processors.sources.lhco import LhcoSource
from overdensity.processors.sources.source import read_events

WHOLE = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)


@pytest.fixture(scope="module", params=["made here", "official"])
def events(request) -> ak.Array:
    """Events of sprays of particles, and of the official sample, some 170 particles each."""
    if request.param == "made here":
        path = request.getfixturevalue("lhco_file")
    else:
        folder = request.getfixturevalue("shared_data")
        path = str(folder / "lhco" / "events_anomalydetection_tiny.h5")
    return cartesian(read_events(LhcoSource(), path, 0, 20).particles)


def pseudojets(jet: ak.Array) -> list[fastjet.PseudoJet]:
    """The constituents; each knows its place by its user index."""
    columns = (jet[name].tolist() for name in ("px", "py", "pz", "E"))
    particles = [fastjet.PseudoJet(*p) for p in zip(*columns, strict=True)]
    for i, particle in enumerate(particles):
        particle.set_user_index(i)
    return particles


def inside(trees: Trees, node: int) -> frozenset[int]:
    """The constituents of a node, by their places in the jet."""
    jet = np.searchsorted(trees.offsets, node, side="right") - 1
    if trees.pieces[0, node] < 0:
        return frozenset([int(node - trees.offsets[jet])])
    return inside(trees, trees.pieces[0, node]) | inside(trees, trees.pieces[1, node])


def test_every_merger_is_one_of_fastjet(events) -> None:
    trees = cambridge_aachen(events)
    for i, event in enumerate(events):
        sequence = fastjet.ClusterSequence(pseudojets(event), WHOLE)
        first, after = trees.offsets[i], trees.offsets[i + 1]
        mergers = range(first + trees.counts[i], after)
        expected = [
            frozenset(p.user_index() for p in sequence.constituents(jet))
            for jet in list(sequence.jets())[len(event) :]
        ]
        assert [inside(trees, node) for node in mergers] == expected


def test_nodes_carry_the_momenta_of_fastjet(events) -> None:
    trees = cambridge_aachen(events)
    for i, event in enumerate(events[:10]):
        sequence = fastjet.ClusterSequence(pseudojets(event), WHOLE)
        jets = list(sequence.jets())
        nodes = slice(trees.offsets[i], trees.offsets[i + 1])
        np.testing.assert_allclose(trees.places[0, nodes], [jet.pt() for jet in jets], atol=1e-9)
        np.testing.assert_allclose(trees.places[1, nodes], [jet.rap() for jet in jets], atol=1e-9)
        np.testing.assert_allclose(
            np.cos(trees.places[2, nodes]), [np.cos(jet.phi()) for jet in jets], atol=1e-9
        )
        np.testing.assert_allclose(trees.masses[nodes], [max(j.m(), 0) for j in jets], atol=1e-3)


def test_pieces_come_before_what_is_made_of_them_the_harder_first(events) -> None:
    trees = cambridge_aachen(events)
    made = np.flatnonzero(trees.pieces[0] >= 0)
    hard, soft = trees.pieces[:, made]
    assert (hard < made).all()
    assert (soft < made).all()
    assert (trees.places[0, hard] >= trees.places[0, soft]).all()
    assert len(np.unique(trees.pieces[:, made])) == 2 * len(made)


@pytest.mark.parametrize("counts", [[0, 1, 2, 3, 4, 0], [1], [0], []])
def test_few_particles_make_small_trees(counts) -> None:
    rng = np.random.default_rng(8)
    n = sum(counts)
    jets = cartesian(
        momenta(rng.uniform(1, 9, n), rng.random(n), rng.random(n), np.array(counts, dtype=int))
    )
    trees = cambridge_aachen(jets)
    assert len(trees) == len(counts)
    assert trees.counts.tolist() == counts
    assert np.diff(trees.offsets).tolist() == [max(2 * n - 1, 0) for n in counts]
    assert len(trees.leaves) == n


def test_particles_on_one_spot_are_merged_first() -> None:
    pt, phi = np.array([5.0, 9, 5, 9]), np.array([0.2, 0.5, 0.2, 0.5])
    trees = cambridge_aachen(cartesian(momenta(pt, np.zeros(4), phi, np.array([4]))))
    assert {inside(trees, 4), inside(trees, 5)} == {frozenset([0, 2]), frozenset([1, 3])}
    np.testing.assert_allclose(trees.angles, [0, 0, 0, 0, 0, 0, 0.3], atol=1e-12)
    np.testing.assert_allclose(trees.z[4:], [0.5, 0.5, 10 / 28])


def test_what_moves_along_the_beam_is_as_far_as_for_fastjet() -> None:
    momentum = {"px": [[1.0, -1]], "py": [[0.0, 0]], "pz": [[3e9, 3e9]], "E": [[3e9, 3e9]]}
    jet = ak.zip(momentum, with_name="Momentum4D")
    trees = cambridge_aachen(jet)
    sequence = fastjet.ClusterSequence(pseudojets(jet[0]), WHOLE)
    assert trees.places[:, -1].tolist() == [0, sequence.inclusive_jets()[0].rap(), 0]
    assert trees.z[-1] == 0.5


def test_threads_make_the_same_trees(events) -> None:
    one, four = cambridge_aachen(events), cambridge_aachen(flat_jets(events), threads=4)
    np.testing.assert_array_equal(one.pieces, four.pieces)
    np.testing.assert_array_equal(one.momenta, four.momenta)


@pytest.mark.parametrize("pt", [np.nan, np.inf, 0.0])
def test_constituents_without_a_place_are_refused(pt) -> None:
    jets = cartesian(momenta(np.array([9.0, 8, pt]), np.zeros(3), np.arange(3.0), np.array([3])))
    with pytest.raises(InputError, match="1 of 3 constituents"):
        cambridge_aachen(jets)
