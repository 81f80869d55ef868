"""Declusterings against FastJet-contrib, its pseudojets one by one, and pencil and paper."""

from __future__ import annotations

import math
from collections.abc import Iterator

import awkward as ak
import fastjet
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from overdensity.core import InputError
from overdensity.processors.features.declustering import (
    cambridge_aachen,
    declustering_sum,
    lund_declusterings,
    recursive_soft_drop,
    soft_drop,
)
from overdensity.processors.jets.clustering import cluster
from overdensity.processors.jets.constituents import flat_jets
from overdensity.processors.jets.momentum import cartesian, momenta
from overdensity.processors.sources.lhco import LhcoSource
from overdensity.processors.sources.source import read_events

WHOLE = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)
CONDITIONS = [(0.1, 0.0), (0.15, 0.7), (0.1, 2.0), (0.05, -1.0), (0.3, 0.0)]


@pytest.fixture(scope="module", params=["made here", "official"])
def events(request) -> ak.Array:
    """Events of sprays of particles, and of the official sample."""
    if request.param == "made here":
        path = request.getfixturevalue("lhco_file")
    else:
        folder = request.getfixturevalue("shared_data")
        path = str(folder / "lhco" / "events_anomalydetection_tiny.h5")
    return cartesian(read_events(LhcoSource(), path, 0, 60).particles)


@pytest.fixture(scope="module")
def jets(events) -> ak.Array:
    return ak.to_packed(ak.flatten(cluster(events).constituents, axis=1))


def jet_of(pt: list[float], y: list[float], phi: list[float]) -> ak.Array:
    """One jet of massless particles."""
    return cartesian(momenta(np.array(pt), np.array(y), np.array(phi), np.array([len(pt)])))


def reclustered(jet: ak.Array) -> tuple[fastjet.PseudoJet, fastjet.ClusterSequence]:
    """A jet as FastJet's own tree, with the sequence that keeps it alive."""
    columns = (jet[name].tolist() for name in ("px", "py", "pz", "E"))
    particles = [fastjet.PseudoJet(*p) for p in zip(*columns, strict=True)]
    sequence = fastjet.ClusterSequence(particles, WHOLE)
    return sequence.inclusive_jets()[0], sequence


def split(
    pseudojet: fastjet.PseudoJet,
) -> tuple[fastjet.PseudoJet, fastjet.PseudoJet] | None:
    """The harder and the softer piece of a pseudojet; None of a particle."""
    a, b = fastjet.PseudoJet(), fastjet.PseudoJet()
    if not pseudojet.has_parents(a, b):
        return None
    return (a, b) if a.pt() >= b.pt() else (b, a)


def mass(pseudojet: fastjet.PseudoJet) -> float:
    return math.sqrt(max(pseudojet.m2(), 0))


# --- soft drop


@pytest.mark.parametrize(("z_cut", "beta"), CONDITIONS)
@pytest.mark.parametrize("radius", [0.8, 1.0])
def test_soft_drop_is_that_of_contrib(jets, z_cut, beta, radius) -> None:
    sequence = fastjet.ClusterSequence(jets, WHOLE)
    expected = sequence.exclusive_jets_softdrop_grooming(1, beta, z_cut, "scalar_z", radius)
    mass, zg, rg = soft_drop(jets, z_cut=z_cut, beta=beta, radius=radius)
    np.testing.assert_allclose(mass, ak.to_numpy(expected.msoftdrop), atol=1e-4, rtol=1e-9)
    # contrib says -1 where no splitting passes
    tagged = ak.to_numpy(expected.symmetrysoftdrop) > 0
    np.testing.assert_array_equal(zg > 0, tagged)
    np.testing.assert_allclose(zg[tagged], expected.symmetrysoftdrop[tagged], rtol=1e-9)
    np.testing.assert_allclose(rg[tagged], expected.deltaRsoftdrop[tagged], rtol=1e-7)


def test_soft_drop_is_that_of_delphes(shared_data) -> None:
    """Delphes grooms its fat jets with z_cut = 0.1, β = 0 and R0 = 0.8."""
    with uproot.open(shared_data / "root" / "delphes_qcd.root") as file:
        tree = file["Delphes"]
        stored = tree["FatJet/FatJet.SoftDroppedP4[5]"].array()[:, :, 0]  # the jet, then subjets
        columns = [
            ak.concatenate([tree[f"EFlow{kind}"].array() for kind in kinds], axis=1)
            for kinds in (
                ("Track.PT", "Photon.ET", "NeutralHadron.ET"),
                ("Track.Eta", "Photon.Eta", "NeutralHadron.Eta"),
                ("Track.Phi", "Photon.Phi", "NeutralHadron.Phi"),
            )
        ]
    flat = (ak.to_numpy(ak.flatten(column)) for column in columns)
    particles = cartesian(momenta(*flat, ak.to_numpy(ak.num(columns[0]))))
    found = cluster(particles, radius=0.8, min_pt=200, n_constituents=10).constituents
    assert ak.num(found).tolist() == ak.num(stored).tolist()
    p = ak.flatten(stored.fP)
    mass2 = ak.flatten(stored.fE) ** 2 - p.fX**2 - p.fY**2 - p.fZ**2
    jets = ak.flatten(found, axis=1)
    assert len(jets) == 572
    groomed = soft_drop(jets, z_cut=0.1, beta=0.0, radius=0.8)
    np.testing.assert_allclose(groomed.mass, np.sqrt(np.maximum(mass2, 0)), atol=1e-3)


def test_soft_drop_is_that_of_cms_before_its_calibration(shared_data) -> None:
    """CMS grooms fat jets of PUPPI particles with z_cut = 0.1 and β = 0, and keeps two subjets.

    ``FatJet_msoftdrop`` is the mass of these subjets after their own calibration, which is undone
    here. The file has some ten bits of each momentum and weight.
    """
    with uproot.open(shared_data / "root" / "pfnano.root") as file:
        cms = file["Events"].arrays(filter_name=["PFCands_*", "FatJet*", "SubJet_*"])
    particles = cms_particles(cms, "PFCands", cms.PFCands_puppiWeight)
    subjets = cms_particles(cms, "SubJet", 1 - cms.SubJet_rawFactor)
    inside, stored = [], []
    for i, event in enumerate(cms):
        for j in range(len(event.FatJet_pt)):
            index = event.FatJetPFCands_pFCandsIdx[event.FatJetPFCands_jetIdx == j]
            inside.append(particles[i, index[event.PFCands_puppiWeight[index] > 0]])
            pair = [k for k in (event.FatJet_subJetIdx1[j], event.FatJet_subJetIdx2[j]) if k >= 0]
            px, py, pz, energy = (ak.sum(subjets[i, pair][x]) for x in ("px", "py", "pz", "E"))
            stored.append(math.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0)))
    difference = soft_drop(ak.Array(inside), z_cut=0.1, beta=0.0, radius=0.8).mass - stored
    assert len(difference) == 24
    assert np.median(abs(difference)) < 0.05
    assert np.max(abs(difference)) < 0.5


def cms_particles(cms: ak.Array, name: str, scale: ak.Array) -> ak.Array:
    pt, eta, phi, mass, factor = (
        ak.to_numpy(ak.flatten(x)).astype(np.float64)
        for x in (*(cms[f"{name}_{x}"] for x in ("pt", "eta", "phi", "mass")), scale)
    )
    counts = ak.to_numpy(ak.num(scale))
    return cartesian(momenta(pt * factor, eta, phi, counts, mass=mass * factor))


# --- the Lund plane


def test_lund_planes_are_those_of_contrib(jets) -> None:
    sequence = fastjet.ClusterSequence(jets, WHOLE)
    expected = sequence.exclusive_jets_lund_declusterings(1)[:, 0]
    planes = lund_declusterings(jets)
    visible = expected[expected.Delta > 1e-8]
    assert ak.num(planes).tolist() == ak.num(visible).tolist()
    delta, kt = (ak.to_numpy(ak.flatten(visible[name])) for name in ("Delta", "kt"))
    np.testing.assert_allclose(ak.flatten(planes.ln_inv_delta), -np.log(delta), atol=1e-6)
    np.testing.assert_allclose(ak.flatten(planes.ln_kt), np.log(kt), atol=1e-6)


def test_coordinates_of_a_splitting_are_as_defined(jets) -> None:
    for jet, plane in zip(jets[:20], lund_declusterings(jets[:20]), strict=True):
        pair, _alive = reclustered(jet)
        for point in plane.tolist():
            hard, soft = split(pair)
            assert point["z"] == pytest.approx(soft.pt() / (soft.pt() + hard.pt()))
            expected = math.atan2(soft.rap() - hard.rap(), hard.delta_phi_to(soft))
            assert point["psi"] == pytest.approx(expected, abs=1e-6)
            assert point["mass"] == pytest.approx(mass(pair), abs=1e-3)
            assert point["mass_hard"] == pytest.approx(mass(hard), abs=1e-3)
            assert point["mass_soft"] == pytest.approx(mass(soft), abs=1e-3)
            pair = hard
        assert split(pair) is None


def test_a_lund_plane_by_hand() -> None:
    plane = lund_declusterings(jet_of([60, 40, 5], [0, 0, 0.0], [0.0, 0.2, -0.8]))[0].tolist()
    # 5 GeV at -0.8 from 100 GeV at about 0.08; then 40 GeV at +0.2 from 60 GeV
    assert len(plane) == 2
    assert plane[0]["ln_inv_delta"] == pytest.approx(-math.log(0.88), abs=2e-3)
    assert plane[0]["psi"] == pytest.approx(math.pi)
    assert plane[1]["ln_kt"] == pytest.approx(math.log(40 * 0.2))
    assert plane[1]["z"] == pytest.approx(0.4)
    assert plane[1]["psi"] == pytest.approx(0)
    # m² = 2 pT1 pT2 (cosh Δy - cos Δφ)
    assert plane[1]["mass"] == pytest.approx(math.sqrt(2 * 60 * 40 * (1 - math.cos(0.2))))


def test_particles_on_one_spot_are_no_point_of_the_plane() -> None:
    plane = lund_declusterings(jet_of([9, 5, 4], [0.1] * 3, [1.0, 1.0, 1.3]))
    assert ak.num(plane).tolist() == [1]
    assert np.isfinite(ak.to_numpy(plane.ln_inv_delta)).all()


# --- the declustering sum


def mass_ratios(pair: fastjet.PseudoJet, scale: float) -> Iterator[float]:
    if mass(pair) > scale and (pieces := split(pair)):
        for piece in pieces:
            if mass(piece) > scale:
                yield mass(pair) / mass(piece)
                yield from mass_ratios(piece, scale)


@pytest.mark.parametrize("scale", [20.0, 5.0])
def test_sum_of_mass_ratios_is_that_of_a_recursion(jets, scale) -> None:
    sums = declustering_sum(jets, scale=scale)
    for jet, found in zip(jets, sums, strict=True):
        pair, _alive = reclustered(jet)
        assert found == pytest.approx(sum(mass_ratios(pair, scale)), rel=1e-6)


def test_a_jet_lighter_than_the_scale_has_no_ratios() -> None:
    pair = jet_of([60, 40], [0, 0], [0.0, 0.2])  # of 9.8 GeV
    np.testing.assert_array_equal(declustering_sum(pair), [0.0])
    # 9.8 GeV beside 33 GeV: two massive subjets above 5 GeV
    pairs = jet_of([60, 40, 100, 120], [0, 0, 0, 0], [0.0, 0.2, 1.0, 1.3])
    light, heavy = (2 * a * b * (1 - math.cos(d)) for a, b, d in [(60, 40, 0.2), (100, 120, 0.3)])
    total = cambridge_aachen(pairs).masses[-1]
    expected = total / math.sqrt(light) + total / math.sqrt(heavy)
    assert declustering_sum(pairs, scale=5.0)[0] == pytest.approx(expected)


# --- recursive soft drop


def brute_force(
    jet: ak.Array, z_cut: float, beta: float, radius: float, n: float, *, dynamic: bool
) -> tuple[float, int]:
    """Mass and number of prongs, straight from section 2.2 of arXiv:1804.03657."""
    whole, _alive = reclustered(jet)
    branches, final, passed = [whole], [], 0
    while branches and passed < n:
        branches.sort(key=b_angle)
        pair = branches.pop()
        pieces = split(pair)
        if pieces is None:
            final.append(pair)
            continue
        hard, soft = pieces
        z = soft.pt() / (soft.pt() + hard.pt())
        if z > z_cut * (hard.delta_R(soft) / radius) ** beta:
            passed += 1
            branches += [hard, soft]
            if dynamic and hard.delta_R(soft) > 1e-8:
                radius = hard.delta_R(soft)
        else:
            branches.append(hard)
    total = fastjet.PseudoJet()
    for prong in final + branches:
        total += prong
    return mass(total), passed + 1


def b_angle(branch: fastjet.PseudoJet) -> float:
    pieces = split(branch)
    return -1.0 if pieces is None else pieces[0].delta_R(pieces[1])


@pytest.mark.parametrize(
    ("z_cut", "beta", "n", "dynamic"),
    [
        (0.15, 0.7, None, True),
        (0.15, 0.7, None, False),
        (0.1, 2.0, None, True),
        (0.1, 0.0, None, False),
        (0.05, 1.0, 3, True),
        (0.05, 1.0, 3, False),
    ],
)
def test_recursion_is_that_of_a_loop_over_pseudojets(jets, z_cut, beta, n, dynamic) -> None:
    some = jets[:60]
    groomed = recursive_soft_drop(
        some, z_cut=z_cut, beta=beta, radius=1.0, n=n, dynamic_radius=dynamic
    )
    for i, jet in enumerate(some):
        layers = math.inf if n is None else n
        m, n_prongs = brute_force(jet, z_cut, beta, 1.0, layers, dynamic=dynamic)
        assert groomed.n_prongs[i] == n_prongs
        assert groomed.mass[i] == pytest.approx(m, rel=1e-6, abs=1e-3)


@pytest.mark.parametrize(("z_cut", "beta"), CONDITIONS)
def test_one_layer_is_soft_drop(jets, z_cut, beta) -> None:
    once = recursive_soft_drop(jets, z_cut=z_cut, beta=beta, n=1)
    mass, zg, _ = soft_drop(jets, z_cut=z_cut, beta=beta)
    np.testing.assert_allclose(once.mass, mass, atol=1e-4, rtol=1e-9)
    np.testing.assert_array_equal(once.n_prongs, 1 + (zg > 0))


def ungroomed(jets: ak.Array) -> np.ndarray:
    trees = cambridge_aachen(jets)
    return trees.masses[trees.offsets[1:] - 1]


@pytest.mark.parametrize("options", [{"z_cut": 0.0, "beta": 0.7}, {"z_cut": 0.1, "n": 0}])
def test_nothing_is_groomed_without_a_threshold_or_layers(jets, options) -> None:
    groomed = recursive_soft_drop(jets, **options)
    assert ak.all(groomed.kept)
    np.testing.assert_allclose(groomed.mass, ungroomed(jets), rtol=1e-9)


def test_what_is_kept_has_the_groomed_mass(jets) -> None:
    groomed = recursive_soft_drop(jets, z_cut=0.15, beta=0.7)
    np.testing.assert_allclose(groomed.mass, ungroomed(jets[groomed.kept]), rtol=1e-9, atol=1e-4)
    # with infinitely many layers every prong is a particle
    assert ak.sum(groomed.kept, axis=1).tolist() == groomed.n_prongs.tolist()


def test_more_layers_groom_no_less(jets) -> None:
    mass = [recursive_soft_drop(jets, beta=1.0, n=n).mass for n in (0, 1, 2, 5, None)]
    assert (np.diff(mass, axis=0) <= 1e-6).all()


def test_the_dynamic_radius_is_that_of_the_last_splitting_that_passed() -> None:
    # 100 and 80 GeV at ΔR = 0.5 pass; then 5 GeV at 0.2 has z = 0.048 against 0.1 ΔR / R0:
    # 0.02 with R0 = 1, 0.04 with R0 = 0.5.
    jet = jet_of([95, 5, 80], [0, 0, 0], [0.0, 0.2, 0.51])
    options = {"beta": 1.0, "radius": 1.0}
    assert recursive_soft_drop(jet, z_cut=0.1, **options).n_prongs[0] == 3
    assert recursive_soft_drop(jet, z_cut=0.2, **options).n_prongs[0] == 2
    assert recursive_soft_drop(jet, z_cut=0.2, dynamic_radius=False, **options).n_prongs[0] == 3


def test_particles_on_one_spot_leave_the_radius_alone() -> None:
    jet = jet_of([50, 50, 40, 40], [0, 0, 0, 0], [0.0, 0.0, 0.5, 0.5])
    groomed = recursive_soft_drop(jet, z_cut=0.1, beta=1.0)
    assert ak.all(groomed.kept)
    assert groomed.n_prongs.tolist() == [4]


# --- all of them


ALL = {
    "soft_drop": lambda jets: soft_drop(jets, z_cut=0.1, beta=1.0),
    "lund": lambda jets: [
        ak.to_numpy(ak.flatten(x)) for x in ak.unzip(lund_declusterings(jets)[["z", "ln_kt"]])
    ],
    "sum": lambda jets: [declustering_sum(jets, scale=2.0)],
    "recursive": lambda jets: recursive_soft_drop(jets, z_cut=0.15, beta=0.7)[:2],
}


@pytest.mark.parametrize("observe", ALL.values(), ids=ALL)
def test_constituents_flat_jets_and_trees_are_the_same(jets, observe) -> None:
    for other in (flat_jets(jets), cambridge_aachen(jets)):
        for a, b in zip(observe(jets), observe(other), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("counts", [[0, 1, 2, 0], [1], [0], []])
def test_jets_of_few_particles_are_no_trouble(counts) -> None:
    n = sum(counts)
    counts = np.array(counts, dtype=np.int64)
    jets = cartesian(momenta(np.full(n, 9.0), np.zeros(n), 0.1 * np.arange(n), counts))
    mass, zg, rg = soft_drop(jets)
    np.testing.assert_allclose(mass, np.where(counts == 2, 18 * math.sin(0.05), 0), atol=1e-6)
    np.testing.assert_allclose(zg, np.where(counts == 2, 0.5, 0))
    np.testing.assert_allclose(rg, np.where(counts == 2, 0.1, 0))
    assert ak.num(lund_declusterings(jets)).tolist() == np.maximum(counts - 1, 0).tolist()
    np.testing.assert_array_equal(declustering_sum(jets), np.zeros(len(counts)))
    groomed = recursive_soft_drop(jets)
    assert groomed.n_prongs.tolist() == counts.tolist()
    assert ak.num(groomed.kept).tolist() == counts.tolist()


@st.composite
def some_jets(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    n = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.exponential(20, n) + 0.5, rng.normal(0, 0.4, n), rng.normal(0, 0.4, n)


def observables(pt: np.ndarray, y: np.ndarray, phi: np.ndarray) -> np.ndarray:
    jets = cartesian(momenta(pt, y, np.arctan2(np.sin(phi), np.cos(phi)), np.array([len(pt)])))
    values = [value for observe in ALL.values() for value in observe(jets)]
    return np.concatenate([np.ravel(value) for value in values])


@given(some_jets(), st.floats(-math.pi, math.pi))
@settings(deadline=None, max_examples=40)
def test_a_turn_about_the_beam_changes_nothing(jet, angle) -> None:
    pt, y, phi = jet
    np.testing.assert_allclose(
        observables(pt, y, phi + angle), observables(pt, y, phi), rtol=1e-5, atol=1e-4
    )


@given(some_jets(), st.floats(-2, 2))
@settings(deadline=None, max_examples=40)
def test_a_boost_along_the_beam_changes_nothing(jet, rapidity) -> None:
    pt, y, phi = jet
    np.testing.assert_allclose(
        observables(pt, y + rapidity, phi), observables(pt, y, phi), rtol=1e-5, atol=1e-4
    )


@given(some_jets(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_the_order_of_particles_changes_nothing(jet, random) -> None:
    order = list(range(len(jet[0])))
    random.shuffle(order)
    pt, y, phi = jet
    np.testing.assert_allclose(
        observables(pt[order], y[order], phi[order]), observables(*jet), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("groom", [soft_drop, recursive_soft_drop])
@pytest.mark.parametrize("options", [{"z_cut": -0.1}, {"radius": 0.0}, {"radius": math.nan}])
def test_impossible_conditions_are_refused(groom, options) -> None:
    with pytest.raises(InputError, match="z_cut must not be negative and R0 must be positive"):
        groom(jet_of([9.0], [0.0], [0.0]), **options)


def test_a_negative_number_of_layers_is_refused() -> None:
    with pytest.raises(InputError, match="recursive soft drop with -1 splittings"):
        recursive_soft_drop(jet_of([9.0], [0.0], [0.0]), n=-1)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_a_sum_that_never_stops_is_refused(scale) -> None:
    with pytest.raises(InputError, match="must be positive"):
        declustering_sum(jet_of([9.0], [0.0], [0.0]), scale=scale)
