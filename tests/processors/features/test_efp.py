"""Energy flow polynomials against their definition and EnergyFlow."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.processors.features.correlators import energy_correlators
from overdensity.processors.features.efp import GRAPHS, energy_flow_polynomials
from overdensity.processors.jets.constituents import FlatJets, flat_jets
from overdensity.processors.jets.momentum import cartesian, momenta


def make_jets(counts: list[int]) -> FlatJets:
    """Jets across φ = π, of massive particles."""
    rng = np.random.default_rng(7)
    n = sum(counts)
    phi = np.pi + rng.normal(0, 0.3, n)
    phi = np.arctan2(np.sin(phi), np.cos(phi))
    pt, mass = rng.exponential(20, n), rng.uniform(0, 1, n)
    return flat_jets(
        cartesian(momenta(pt, rng.normal(1, 0.3, n), phi, np.array(counts), mass=mass))
    )


def by_definition(places: np.ndarray, graph: str, beta: float) -> float:
    """The sum of arXiv:1712.07124 over all ways to put particles on vertices."""
    pt, y, phi = places
    dphi = np.abs(phi[:, None] - phi)
    theta = np.hypot(y[:, None] - y, np.minimum(dphi, 2 * np.pi - dphi)) ** beta
    z = pt / np.sum(pt)
    edges = graph.split()
    vertices = sorted(set(graph.replace(" ", ""))) or ["0"]
    subscripts = ",".join([*edges, *vertices]).translate(str.maketrans("012345", "abcdef"))
    operands = [theta] * len(edges) + [z] * len(vertices)
    return float(np.einsum(subscripts + "->", *operands, optimize="greedy"))


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_polynomials_are_as_defined(beta) -> None:
    jets = make_jets([6, 1, 9])
    values = energy_flow_polynomials(jets, beta=beta)
    for jet, (a, b) in enumerate(zip(jets.offsets[:-1], jets.offsets[1:], strict=True)):
        expected = [
            np.prod([by_definition(jets.places[:, a:b], part, beta) for part in parts])
            for parts in GRAPHS
        ]
        np.testing.assert_allclose(values[jet], expected, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_polynomials_and_their_order_are_those_of_energyflow(energyflow, beta) -> None:
    jets = make_jets([40, 3, 90, 7])
    efps = energyflow.EFPSet("d<=5", measure="hadr", beta=beta, normed=True, coords="ptyphim")
    particles = np.split(jets.places.T, jets.offsets[1:-1])
    expected = efps.batch_compute(particles, n_jobs=1)
    np.testing.assert_allclose(energy_flow_polynomials(jets, beta=beta), expected, rtol=1e-10)


def test_there_are_as_many_graphs_as_the_paper_counts() -> None:
    # multigraphs without loops by number of edges: OEIS A050535, and A076864 for connected ones
    degree = np.array([sum(len(part.split()) for part in parts) for parts in GRAPHS])
    connected = np.array([len(parts) == 1 for parts in GRAPHS])
    np.testing.assert_array_equal(np.bincount(degree), [1, 1, 3, 8, 23, 66])
    np.testing.assert_array_equal(np.bincount(degree[connected]), [1, 1, 2, 5, 12, 33])


def test_the_edge_and_the_triangle_are_the_energy_correlators() -> None:
    jets = make_jets([20, 2, 35])
    edge, triangle = (GRAPHS.index((graph,)) for graph in ("01", "01 02 12"))
    e2, e3 = energy_correlators(jets).T
    values = energy_flow_polynomials(jets, [edge, triangle])
    np.testing.assert_allclose(values, np.stack([2 * e2, 6 * e3], axis=1), rtol=1e-12)


def test_some_polynomials_are_those_of_the_whole_set() -> None:
    jets = make_jets([20, 2, 0, 35])
    some = [101, 3, 47]
    np.testing.assert_array_equal(
        energy_flow_polynomials(jets, some), energy_flow_polynomials(jets)[:, some]
    )
