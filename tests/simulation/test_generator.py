"""Generator truth: masses, decays, angles, and what is left undecayed."""

from __future__ import annotations

import sys
from typing import Any

import awkward as ak
import numpy as np
import pytest

from overdensity.core import InputError, MissingExtraError
from overdensity.simulation import Qcd, WprimeTB, ZprimeXY, simulate
from overdensity.simulation.generator import check_process, generate, open_pythia
from overdensity.simulation.settings import GeneratorSettings, ZprimeMasses

from .conftest import BARE

pytest.importorskip("pythia8mc")

MASSES = ZprimeMasses(zprime=4000.0, x=800.0, y=300.0)


@pytest.fixture(scope="module")
def hard_process() -> ak.Array:
    """3000 events q qbar → Z' → X Y → 4 q, without showers."""
    settings = GeneratorSettings(pythia=BARE)
    pythia, owned = open_pythia(ZprimeXY(MASSES), 5, settings)
    record = pythia.nextBatch(3000)
    del owned
    return record.prt


def of_kind(prt: ak.Array, pdg_id: int) -> Any:
    """Return the resonances as made in the hard process, not their copies after recoils."""
    return ak.flatten(prt[(prt.id == pdg_id) & (np.abs(prt.status) == 22)])


def test_truth_has_the_masses_asked_for(hard_process: ak.Array) -> None:
    from overdensity.simulation.resonances.zprime import X_ID, Y_ID, ZPRIME_ID

    for pdg_id, mass, width in (
        (ZPRIME_ID, 4000.0, 0.001),
        (X_ID, 800.0, 0.026),
        (Y_ID, 300.0, 0.026),
    ):
        found = np.asarray(of_kind(hard_process, pdg_id).m)
        assert len(found) == 3000
        assert np.median(found) == pytest.approx(mass, rel=3e-3)
        # Half of a Breit-Wigner lies within half a width; the tails end at ten widths.
        half = np.diff(np.quantile(found, [0.25, 0.75]))[0]
        assert half == pytest.approx(width * mass, rel=0.15)
        assert np.abs(found / mass - 1).max() < 10.1 * width


@pytest.mark.parametrize(("polarised", "expected"), [(True, 1 / 5), (False, 1 / 3)])
def test_decays_have_the_angles_of_their_polarisation(*, polarised: bool, expected: float) -> None:
    from overdensity.simulation.resonances.zprime import X_ID, Y_ID

    settings = GeneratorSettings(xy_polarised=polarised, pythia=BARE)
    pythia, owned = open_pythia(ZprimeXY(MASSES), 6, settings)
    prt = pythia.nextBatch(2000).prt
    del owned
    for pdg_id in (X_ID, Y_ID):
        quarks = prt[(prt.id[prt.mother1] == pdg_id) & (np.abs(prt.status) == 23)].p
        one, two = (
            np.stack([np.asarray(quarks[:, k][c]) for c in ("e", "px", "py", "pz")]) for k in (0, 1)
        )
        # In a decay to massless quarks, cos θ* = (E1 - E2) / |p1 + p2|.
        cosine = (one[0] - two[0]) / np.sqrt(np.sum((one + two)[1:] ** 2, axis=0))
        assert np.mean(cosine**2) == pytest.approx(expected, abs=0.03)


def test_x_and_y_go_to_all_light_flavours_alike(hard_process: ak.Array) -> None:
    from overdensity.simulation.resonances.zprime import X_ID, Y_ID

    mother = hard_process.id[hard_process.mother1]
    for pdg_id in (X_ID, Y_ID):
        flavour = np.abs(np.asarray(ak.flatten(hard_process.id[mother == pdg_id])))
        counts = np.bincount(flavour, minlength=6)[1:]
        assert counts.sum() == 6000
        # Quarks come in pairs: 600 pairs of each flavour, with a binomial spread.
        assert np.abs(counts / 2 - 600).max() < 4 * np.sqrt(3000 * 0.2 * 0.8)


def test_scattering_angle_goes_as_sine_squared(hard_process: ak.Array) -> None:
    from overdensity.simulation.resonances.zprime import X_ID

    # Without showers the Z' has no transverse momentum, and its boost is along the beam.
    x, z = of_kind(hard_process, X_ID).p, hard_process[:, 5].p
    gamma, beta = np.asarray(z.e / hard_process[:, 5].m), np.asarray(z.pz / z.e)
    along = gamma * (np.asarray(x.pz) - beta * np.asarray(x.e))
    cosine = along / np.sqrt(along**2 + np.asarray(x.px) ** 2 + np.asarray(x.py) ** 2)
    # <cos² θ> is 1/5 for sin² θ (1/3 if flat); its variance is 3/35 - 1/25.
    assert np.mean(cosine**2) == pytest.approx(0.2, abs=4 * np.sqrt((3 / 35 - 1 / 25) / 3000))


def test_three_prong_signals_decay_to_three_quarks() -> None:
    from overdensity.simulation.resonances.zprime import X_ID

    pythia, owned = open_pythia(ZprimeXY(MASSES, prongs=3), 5, GeneratorSettings(pythia=BARE))
    prt = pythia.nextBatch(200).prt
    del owned
    quarks = prt.id[prt.id[prt.mother1] == X_ID]
    assert ak.all(ak.num(quarks) == 3)
    # All quarks or all antiquarks, of total charge zero.
    up_like = np.abs(quarks) % 2 == 0
    charge = np.sign(quarks) * ak.where(up_like, 2 / 3, -1 / 3)
    np.testing.assert_allclose(np.asarray(ak.sum(charge, axis=1)), 0.0, atol=1e-12)


def test_long_lived_particles_reach_the_detector_and_pi0_do_not() -> None:
    particles = generate(Qcd(), 100, 7, GeneratorSettings()).particles
    kinds = np.abs(particles.pdg_id)
    assert {310, 3122, 130, 2112, 211, 22} <= set(kinds)
    assert not {111, 421, 511} & set(kinds)


def test_charges_are_those_of_the_particles() -> None:
    particles = generate(Qcd(), 20, 7, GeneratorSettings()).particles
    for pdg_id, charge in ((211, 1.0), (-321, -1.0), (22, 0.0), (11, -1.0), (2212, 1.0)):
        assert set(particles.charge[particles.pdg_id == pdg_id]) <= {charge}
    # Beams of charge 2, less what is exactly along the beam: nothing is lost.
    total = np.bincount(particles.event, weights=particles.charge)
    np.testing.assert_allclose(total, 2.0)


def test_momentum_is_conserved() -> None:
    particles = generate(Qcd(), 20, 7, GeneratorSettings()).particles
    energy = np.bincount(particles.event, weights=particles.energy)
    pz = np.bincount(particles.event, weights=particles.pz)
    np.testing.assert_allclose(energy, 13_000.0, rtol=1e-4)
    np.testing.assert_allclose(pz, 0.0, atol=1.0)


def test_qcd_events_have_the_hard_scale_asked_for() -> None:
    pythia, _ = open_pythia(Qcd(), 3, GeneratorSettings(pt_hat_min=1500.0))
    record = pythia.nextBatch(50)
    assert np.sqrt(np.asarray(record.info.pT2Hat)).min() >= 1500.0


def test_qcd_events_have_the_hard_masses_asked_for() -> None:
    settings = GeneratorSettings(m_hat_min=2700.0, m_hat_max=4800.0, pythia=BARE)
    pythia, _ = open_pythia(Qcd(), 3, settings)
    masses = np.asarray(pythia.nextBatch(300).info.mHat)
    assert masses.min() >= 2700.0
    assert masses.max() <= 4800.0
    # Without limits 43 % would lie below, 3 % above and 4 % between 4200 and 4800 GeV.
    assert masses.max() > 4200.0


def test_same_seed_same_particles() -> None:
    first, again, other = (
        generate(ZprimeXY(), 5, seed, GeneratorSettings()).particles for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.px, again.px)
    assert not np.array_equal(first.px[:10], other.px[:10])


def test_impossible_generator_settings_are_refused() -> None:
    settings = GeneratorSettings(pt_hat_min=9000.0)
    with pytest.raises(InputError, match=r"Pythia cannot be initialised with .*pt_hat_min=9000"):
        open_pythia(Qcd(), 1, settings)


def test_missing_pythia_says_how_to_install_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'overdensity\[simulation\]'"):
        simulate(tmp_path / "x.h5", background=1, seed=1)


@pytest.mark.parametrize(
    ("kind", "lines", "says"),
    [
        (Qcd(), ("Tunes:pp = 3",), "refuses the setting 'Tunes:pp = 3'"),
        (Qcd(), ("TimeShower:alphaSvalu = 0.1",), "did you mean 'TimeShower:alphaSvalue'"),
        (Qcd(), ("PartonLevel:MPI = perhaps",), "refuses the setting 'PartonLevel:MPI = perhaps'"),
        (Qcd(), ("23:oneChannel = 1 1.0 101 6 -6",), "a Z0 of 91.1876 GeV cannot decay to t tbar"),
        (WprimeTB(), ("34:mMin = 50", "34:m0 = 80"), "a W'. of 80 GeV cannot decay to t bbar"),
    ],
)
def test_misspelt_settings_and_impossible_decays_are_named(
    kind: Any, lines: tuple[str, ...], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=says):
        check_process(kind, GeneratorSettings(), lines)
    assert capfd.readouterr() == ("", "")  # Pythia says nothing of its own


def test_decays_to_virtual_bosons_are_possible() -> None:
    assert check_process(Qcd(), GeneratorSettings(), ("25:onMode = off", "25:onIfMatch = 23 23"))


def test_events_that_pythia_cannot_make_are_an_error() -> None:
    closed = ("Next:numberCount = 0", "24:onMode = off", "6:onMode = off")
    with pytest.raises(InputError, match="Pythia"):
        generate(WprimeTB(), 5, 1, GeneratorSettings(), closed)
