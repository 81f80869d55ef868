"""N-subjettiness against its definition."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from scipy.optimize import minimize

from overdensity.core import InputError
from overdensity.processors import LhcoSource, read_events
from overdensity.processors.features.n_subjettiness import (
    contrib_n_subjettiness,
    n_subjettiness,
    ratio,
)
from overdensity.processors.jets.clustering import cluster
from overdensity.processors.jets.momentum import cartesian, momenta


@pytest.fixture(scope="module")
def constituents(lhco_file) -> ak.Array:
    particles = cartesian(read_events(LhcoSource(), lhco_file, 0, 5).particles)
    return ak.flatten(cluster(particles).constituents, axis=1)


def tau_of(jet: ak.Array, axes: np.ndarray) -> float:
    """Equation (1) of arXiv:1011.2268 with beta = R0 = 1, axes in (rapidity, phi)."""
    pt, rapidity, phi = (ak.to_numpy(getattr(jet, name)) for name in ("pt", "rapidity", "phi"))
    axes = axes.reshape(-1, 2)
    dphi = np.abs(phi[:, None] - axes[:, 1])
    distance = np.hypot(rapidity[:, None] - axes[:, 0], np.minimum(dphi, 2 * np.pi - dphi))
    return float(np.sum(pt * distance.min(axis=1)) / np.sum(pt))


def test_tau1_lies_between_its_start_and_the_minimum_over_all_axes(constituents) -> None:
    start_kt, tau1_kt, start_wta, tau1_wta = (
        contrib_n_subjettiness(constituents, (1,), axes=axes)[:, 0]
        for axes in ("KT_Axes", "OnePass_KT_Axes", "WTA_KT_Axes", "OnePass_WTA_KT_Axes")
    )
    for i, jet in enumerate(constituents):
        hardest = jet[ak.argmax(jet.pt)]
        start = np.array([hardest.rapidity, hardest.phi])
        best = minimize(lambda axis, jet=jet: tau_of(jet, axis), start, method="Nelder-Mead").fun
        assert best * (1 - 1e-3) <= tau1_wta[i] <= start_wta[i] * (1 + 1e-4)
        assert best * (1 - 1e-3) <= tau1_kt[i] <= min(start_kt[i] * (1 + 1e-4), best * 1.05)


def test_more_axes_are_never_further(constituents) -> None:
    tau = n_subjettiness(constituents, (1, 2, 3))
    assert (np.diff(tau, axis=1) < 0).all()


@pytest.mark.parametrize("n_particles", [0, 1, 2, 3])
def test_as_many_axes_as_particles_leave_nothing(n_particles) -> None:
    pt, phi = np.full(n_particles, 20.0), np.linspace(0, 0.5, n_particles)
    jets = cartesian(momenta(pt, np.zeros(n_particles), phi, np.array([n_particles])))
    tau = n_subjettiness(jets, (1, 2, 3))[0]
    np.testing.assert_allclose(tau[max(n_particles - 1, 0) :], 0, atol=1e-7)
    assert (tau[: max(n_particles - 1, 0)] > 0.05).all()


def test_radius_and_beta_enter_as_in_the_definition() -> None:
    pair = cartesian(
        momenta(np.array([60.0, 40]), np.zeros(2), np.array([0.0, 0.3]), np.array([2]))
    )
    # the axis of winner-takes-all lies on the harder particle
    assert n_subjettiness(pair, (1,), radius=0.8)[0, 0] == pytest.approx(0.4 * 0.3 / 0.8, rel=1e-3)
    wta = contrib_n_subjettiness(pair, (1,), beta=2.0, axes="WTA_KT_Axes")
    assert wta[0, 0] == pytest.approx(0.4 * 0.3**2)


@pytest.mark.parametrize("tau", [n_subjettiness, contrib_n_subjettiness])
def test_no_jets_give_no_rows(constituents, tau) -> None:
    assert tau(constituents[:0], (1, 2, 3)).shape == (0, 3)


@pytest.mark.parametrize("settings", [{"n": (0, 1)}, {"n": ()}, {"beta": 0.0}, {"radius": -1.0}])
@pytest.mark.parametrize("tau", [n_subjettiness, contrib_n_subjettiness])
def test_what_must_be_positive_is_refused_otherwise(constituents, tau, settings) -> None:
    with pytest.raises(InputError, match="all of these must be positive"):
        tau(constituents, **settings)


def test_misspelt_axes_are_refused(constituents) -> None:
    with pytest.raises(InputError, match="did you mean 'OnePass_WTA_KT_Axes'"):
        contrib_n_subjettiness(constituents, axes="OnePass_WTAKT_Axes")


@pytest.mark.parametrize(
    "axes", ["KT_Axes", "CA_Axes", "WTA_KT_Axes", "WTA_CA_Axes", "OnePass_KT_Axes"]
)
def test_axes_by_name_are_not_the_default_in_disguise(constituents, axes) -> None:
    # FastJet's wrapper takes its default, OnePass_KT_Axes, for a name that it does not know.
    tau = contrib_n_subjettiness(constituents, (2,), axes=axes)
    default = contrib_n_subjettiness(constituents, (2,), axes="OnePass_KT_Axes")
    assert np.array_equal(tau, default) == (axes == "OnePass_KT_Axes")


def test_ratio_is_zero_where_nothing_is_below() -> None:
    np.testing.assert_array_equal(
        ratio(np.array([1.0, 0.0, 3.0]), np.array([2.0, 0.0, 0.0])), [0.5, 0, 0]
    )
