"""The whole detector on single particles and on whole events."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation.cms_card import track_resolution
from overdensity.simulation.detector import detect
from overdensity.simulation.generator import generate
from overdensity.simulation.particles import Objects, Particles
from overdensity.simulation.processes.qcd import Qcd
from overdensity.simulation.settings import DetectorSettings, GeneratorSettings

MASS = {22: 0.0, 211: 0.13957, 13: 0.10566, 14: 0.0, 2112: 0.93957, 310: 0.49761}


def beam_of(pdg_id: int, n: int, *, pt: float, eta: float, charge: float = 0.0) -> Particles:
    """n events of one particle each, all alike but for phi."""
    phi = np.linspace(-np.pi, np.pi, n, endpoint=False)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), np.full(n, pt * np.sinh(eta))
    zeros = np.zeros(n)
    return Particles(
        event=np.arange(n),
        pdg_id=np.full(n, pdg_id),
        charge=np.full(n, charge),
        px=px,
        py=py,
        pz=pz,
        energy=np.sqrt(px**2 + py**2 + pz**2 + MASS[pdg_id] ** 2),
        x=zeros,
        y=zeros,
        z=zeros,
    )


def test_a_photon_is_one_object_near_its_direction() -> None:
    photons = beam_of(22, 500, pt=50.0, eta=0.7)
    objects = detect(photons, np.random.default_rng(1))
    assert objects.event.tolist() == list(range(500))
    true_phi = np.arctan2(photons.py, photons.px)
    assert np.abs(objects.eta - 0.7).max() <= 0.0174
    assert (1 - np.cos(objects.phi - true_phi)).max() <= 1 - np.cos(np.pi / 180) + 1e-12
    assert objects.pt.mean() == pytest.approx(50.0, rel=0.01)


@pytest.mark.parametrize(("pt", "eta", "efficiency"), [(20.0, 0.3, 0.95), (20.0, 2.0, 0.85)])
def test_tracks_are_found_with_the_efficiency_of_the_card(
    pt: float, eta: float, efficiency: float
) -> None:
    n = 20_000
    muons = detect(beam_of(13, n, pt=pt, eta=eta, charge=-1.0), np.random.default_rng(2))
    # A muon is a track or nothing; hadrons without a track are left to the HCAL.
    muon_efficiency = {0.95: 0.99, 0.85: 0.98}[efficiency]
    spread = np.sqrt(muon_efficiency * (1 - muon_efficiency) / n)
    assert len(muons) / n == pytest.approx(muon_efficiency, abs=4 * spread)
    pions = detect(beam_of(211, n, pt=pt, eta=eta, charge=1.0), np.random.default_rng(3))
    on_direction = np.abs(pions.eta - eta) < 1e-9
    assert on_direction.sum() / n == pytest.approx(efficiency, abs=4 * np.sqrt(0.16 / n))


def test_muon_momenta_have_the_width_of_the_card() -> None:
    muons = detect(beam_of(13, 20_000, pt=40.0, eta=0.2, charge=1.0), np.random.default_rng(4))
    sigma = track_resolution(np.array([13]), np.array([40.0]), np.array([0.2]))[0]
    assert muons.pt.mean() == pytest.approx(40.0, rel=5 * sigma / np.sqrt(20_000))
    assert muons.pt.std() / 40.0 == pytest.approx(sigma, rel=0.03)


def test_hard_pions_are_measured_as_well_as_the_calorimeter_can() -> None:
    # At 500 GeV the card's tracks are good to 65 %, its HCAL to 8 %: the energy flow must not let
    # the track spoil the measurement.
    n, pt = 20_000, 500.0
    objects = detect(beam_of(211, n, pt=pt, eta=0.2, charge=1.0), np.random.default_rng(5))
    total = np.bincount(objects.event, weights=objects.pt, minlength=n)
    tower = np.sqrt((0.05 * pt) ** 2 + 1.5**2 * pt)
    core = np.diff(np.quantile(total, [0.1587, 0.8413]))[0] / 2
    assert np.median(total) == pytest.approx(pt, rel=0.02)
    assert core == pytest.approx(tower, rel=0.1)


def test_neutrinos_and_particles_beyond_the_acceptance_leave_nothing() -> None:
    rng = np.random.default_rng(6)
    assert len(detect(beam_of(14, 100, pt=50.0, eta=0.0), rng)) == 0
    assert len(detect(beam_of(22, 100, pt=5.0, eta=5.2), rng)) == 0


def test_no_particles_give_no_objects() -> None:
    assert len(detect(beam_of(22, 0, pt=1.0, eta=0.0), np.random.default_rng(7))) == 0


def test_kaons_share_their_energy_between_the_calorimeters() -> None:
    objects = detect(beam_of(310, 5000, pt=100.0, eta=0.1), np.random.default_rng(8))
    total = np.bincount(objects.event, weights=objects.pt)
    per_event = np.bincount(objects.event)
    assert (per_event == 2).mean() > 0.95
    energy = np.hypot(100.0 * np.cosh(0.1), 0.49761)
    assert total.mean() * np.cosh(0.1) == pytest.approx(energy, rel=0.02)


def visible_pt(particles: Particles) -> float:
    """Sum of pt of what a detector of |eta| < 5 can see."""
    pt = np.hypot(particles.px, particles.py)
    eta = np.arcsinh(particles.pz / pt)
    return pt[(np.abs(eta) < 5) & ~np.isin(np.abs(particles.pdg_id), [12, 14, 16])].sum()


def test_visible_energy_of_events_is_conserved_on_average() -> None:
    pytest.importorskip("pythia8mc")
    batch = generate(Qcd(), 150, 11, GeneratorSettings())
    objects = detect(batch.particles, np.random.default_rng(9))
    assert objects.pt.sum() == pytest.approx(visible_pt(batch.particles), rel=0.02)
    assert (objects.pt > 0).all()
    assert np.abs(objects.eta).max() <= 5.0
    assert np.abs(objects.phi).max() <= np.pi


def test_same_seed_same_objects_and_another_seed_others() -> None:
    photons = beam_of(22, 50, pt=50.0, eta=0.7)
    first, again, other = (detect(photons, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.pt, again.pt)
    assert not np.array_equal(first.pt, other.pt)


def mean_tracks(settings: DetectorSettings) -> tuple[float, float]:
    """Number and width of muon tracks."""
    muons: Objects = detect(
        beam_of(13, 10_000, pt=40.0, eta=0.2, charge=1.0), np.random.default_rng(10), settings
    )
    return len(muons) / 10_000, float(muons.pt.std())


def test_scales_change_efficiency_and_resolution() -> None:
    found, width = mean_tracks(DetectorSettings())
    worse_found, worse_width = mean_tracks(
        DetectorSettings(efficiency_scale=0.5, resolution_scale=2.0)
    )
    assert worse_found / found == pytest.approx(0.5, abs=0.03)
    assert worse_width / width == pytest.approx(2.0, rel=0.05)
