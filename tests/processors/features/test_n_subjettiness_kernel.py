"""The numba kernel against FastJet-contrib."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import awkward as ak
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors import LhcoSource, read_events
from overdensity.processors.features.n_subjettiness import contrib_n_subjettiness, n_subjettiness
from overdensity.processors.jets.clustering import cluster
from overdensity.processors.jets.momentum import cartesian, momenta


def leading_jets(path: str, n_events: int | None = None, radius: float = 1.0) -> ak.Array:
    particles = cartesian(read_events(LhcoSource(), path, 0, n_events).particles)
    return ak.flatten(cluster(particles, radius=radius).constituents, axis=1)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_kernel_agrees_with_contrib(lhco_file, beta, radius) -> None:
    jets = leading_jets(lhco_file, radius=radius)
    settings = {"n": range(1, 10), "beta": beta, "radius": radius}
    expected = contrib_n_subjettiness(jets, **settings)
    # contrib rounds its axes to 1e-16: 1e-8 of ΔR^0.5 for a particle on one
    np.testing.assert_allclose(n_subjettiness(jets, **settings), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_kernel_agrees_with_contrib_on_the_official_events(shared_data, beta) -> None:
    jets = leading_jets(str(shared_data / "lhco" / "events_anomalydetection_tiny.h5"))
    assert len(jets) == 2000
    expected = contrib_n_subjettiness(jets, (1, 2, 3, 4), beta=beta)
    tau = n_subjettiness(jets, (1, 2, 3, 4), beta=beta)
    np.testing.assert_allclose(tau, expected, rtol=1e-6)


def test_kernel_agrees_with_contrib_where_phi_wraps() -> None:
    rng = np.random.default_rng(8)
    pt, eta, phi = rng.exponential(20, 400), rng.normal(0.4, 0.3, 400), rng.normal(np.pi, 0.3, 400)
    phi = np.arctan2(np.sin(phi), np.cos(phi))
    jets = cartesian(momenta(pt, eta, phi, np.full(10, 40), mass=rng.uniform(0, 1, 400)))
    assert (phi > 3).any()
    assert (phi < -3).any()
    np.testing.assert_allclose(n_subjettiness(jets), contrib_n_subjettiness(jets), rtol=1e-6)


@pytest.mark.parametrize("counts", [[0, 1, 2, 3, 4, 0], [1], [0]])
def test_kernel_agrees_with_contrib_on_few_particles(counts) -> None:
    rng = np.random.default_rng(8)
    n = sum(counts)
    particles = momenta(rng.uniform(1, 9, n), rng.random(n), rng.random(n), np.array(counts))
    jets = cartesian(particles)
    expected = contrib_n_subjettiness(jets)
    np.testing.assert_allclose(n_subjettiness(jets), expected, rtol=1e-6, atol=1e-7)


def test_particles_on_one_spot_are_none_the_worse() -> None:
    pt, eta, phi = np.full(6, 10.0), np.repeat([0.1, 0.5], 3), np.repeat([1.0, 1.2], 3)
    tau = n_subjettiness(cartesian(momenta(pt, eta, phi, np.array([6]))))
    assert np.isfinite(tau).all()
    np.testing.assert_allclose(tau[0, 1:], 0, atol=1e-7)


@pytest.mark.parametrize("pt", [np.nan, np.inf, 0.0])
def test_constituents_without_a_place_are_refused(pt) -> None:
    jets = cartesian(momenta(np.array([9.0, 8, pt]), np.zeros(3), np.arange(3.0), np.array([3])))
    with pytest.raises(InputError, match="1 of 3 constituents"):
        n_subjettiness(jets)


def test_kernel_does_not_care_how_jets_are_grouped(lhco_file) -> None:
    jets = leading_jets(lhco_file, 20)
    one_by_one = np.concatenate([n_subjettiness(jets[i : i + 1]) for i in range(len(jets))])
    np.testing.assert_array_equal(n_subjettiness(jets), one_by_one)


def test_a_process_may_fork_after_threads_have_worked(lhco_file) -> None:
    # as coffea's FuturesExecutor does; numba's own thread pools would not survive it
    jets = leading_jets(lhco_file, 20)
    tau = n_subjettiness(jets, threads=2)
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork) as pool:
        in_child = pool.submit(n_subjettiness, jets, threads=2).result(timeout=60)
    np.testing.assert_array_equal(in_child, tau)
