"""What features share is computed once, and their numbers are those of the functions behind them."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from overdensity.processors.features import computing as observables
from overdensity.processors.features.declustering import lund_declusterings, soft_drop
from overdensity.processors.features.n_subjettiness import n_subjettiness
from overdensity.processors.features.table import jet_features
from overdensity.processors.jets.momentum import cartesian, momenta


@pytest.fixture
def jets() -> ak.Array:
    rng = np.random.default_rng(6)
    pt, eta, phi = rng.exponential(20, 60) + 0.5, rng.normal(0, 0.3, 60), rng.normal(1, 0.3, 60)
    return cartesian(momenta(pt, eta, phi, np.array([40, 5, 15])))


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The names of the kernels that are called."""
    names: list[str] = []

    def counted(name: str):
        kernel = getattr(observables, name)

        def call(*args, **options):
            names.append(name)
            return kernel(*args, **options)

        return call

    kernels = [
        "one_pass_wta_kt",
        "energy_correlators",
        "energy_flow_polynomials",
        "cambridge_aachen",
    ]
    for name in kernels:
        monkeypatch.setattr(observables, name, counted(name))
    return names


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["tau1", "tau43", "tau2", "tau21"], ["one_pass_wta_kt"]),
        (["tau1", "tau1_b2", "tau21_b2"], ["one_pass_wta_kt"] * 2),
        (["softdrop_mass", "softdrop_zg", "lund", "declustering_sum"], ["cambridge_aachen"]),
        (["c2", "d2", "e3"], ["energy_correlators"]),
        (["efp5", "efps", "efp9"], ["energy_flow_polynomials"]),
        (["n"], []),
    ],
)
def test_what_is_shared_is_computed_once(jets, calls, names, expected) -> None:
    jet_features(names, jets, radius=0.8)
    assert calls == expected


def test_n_subjettiness_has_the_radius_and_the_exponent_of_its_name(jets) -> None:
    names = ["tau2", "tau3_b0.5", "tau32_b2"]
    columns = jet_features(names, jets, radius=0.8)
    tau2 = n_subjettiness(jets, (2,), radius=0.8)[:, 0]
    tau3 = n_subjettiness(jets, (3,), beta=0.5, radius=0.8)[:, 0]
    above, below = n_subjettiness(jets, (3, 2), beta=2.0, radius=0.8).T
    for name, expected in zip(names, [tau2, tau3, above / below], strict=True):
        np.testing.assert_allclose(columns[name], expected, rtol=1e-6)


def test_soft_drop_and_the_lund_plane_are_those_of_the_declustering(jets) -> None:
    columns = jet_features(["softdrop_mass", "softdrop_rg", "lund"], jets, radius=0.8)
    groomed = soft_drop(jets, z_cut=0.1, beta=0.0, radius=0.8)
    np.testing.assert_allclose(columns["softdrop_mass"], groomed.mass, rtol=1e-6)
    np.testing.assert_allclose(columns["softdrop_rg"], groomed.rg, rtol=1e-6)
    assert ak.almost_equal(
        columns["lund"], ak.values_astype(lund_declusterings(jets), np.float32), rtol=1e-6
    )


def test_single_polynomials_are_the_entries_of_all(jets) -> None:
    columns = jet_features(["efp12", "efps", "efp101_b2", "efps_b2"], jets, radius=0.8)
    np.testing.assert_array_equal(columns["efp12"], columns["efps"][:, 12])
    np.testing.assert_array_equal(columns["efp101_b2"], columns["efps_b2"][:, 101])


def test_with_the_squared_distance_pairs_and_the_axis_tell_the_same(jets) -> None:
    # Σ_i<j z_i z_j θ_ij² is the mean square distance from the mean, on which the axis comes to rest
    columns = jet_features(["e2_b2", "tau1_b2"], jets, radius=1.0)
    np.testing.assert_allclose(columns["e2_b2"], columns["tau1_b2"], rtol=1e-6)
