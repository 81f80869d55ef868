"""The multijet processor against a loop over PseudoJets, and on decays like those of Black Box 3."""

from __future__ import annotations

from typing import Any

import awkward as ak
import fastjet
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from overdensity.core import ConfigError
from overdensity.processors import DijetProcessor
from overdensity.processors.features.event_shape import event_shape
from overdensity.processors.final_states.multijet import MultijetProcessor
from overdensity.processors.jets.momentum import cartesian, momenta

PAIRS = {"m12": (0, 1), "m13": (0, 2), "m23": (1, 2)}


def sprays(n_events: int, *, seed: int) -> ak.Array:
    """Events with two to four sprays of particles, not in momentum balance."""
    rng = np.random.default_rng(seed)
    events, counts = [], []
    for _ in range(n_events):
        of_event = []
        for _ in range(rng.integers(2, 5)):
            n = rng.integers(5, 40)
            place = [rng.uniform(-2, 2), rng.uniform(-np.pi, np.pi)]
            pt = rng.exponential(900 / n, n) + 0.5
            of_event.append(np.column_stack([pt, rng.normal(place, 0.15, (n, 2))]))
        events.append(np.concatenate(of_event))
        counts.append(len(events[-1]))
    return normal(np.concatenate(events), np.array(counts))


def normal(particles: np.ndarray, counts: np.ndarray) -> ak.Array:
    ids = np.arange(len(counts), dtype=np.uint64)
    return ak.zip({"particles": momenta(*particles.T, counts), "event": ids}, depth_limit=1)


@pytest.fixture(scope="module")
def events() -> ak.Array:
    return sprays(60, seed=5)


def select(events: ak.Array, **settings: Any) -> dict[str, Any]:
    return MultijetProcessor(**settings).select(events).columns


def loop_over_events(events: ak.Array) -> list[dict[str, float]]:
    """One event after another with PseudoJets."""
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    found = []
    for event in cartesian(events.particles):
        buffers = zip(*(event[x].tolist() for x in ("px", "py", "pz", "E")), strict=True)
        particles = [fastjet.PseudoJet(*momentum) for momentum in buffers]
        sequence = fastjet.ClusterSequence(particles, definition)
        jets = fastjet.sorted_by_pt(sequence.inclusive_jets(50.0))
        row = {"n_jets": len(jets), "ht": sum(jet.pt() for jet in jets)}
        row["mjj"] = (jets[0] + jets[1]).m() if len(jets) > 1 else 0.0
        for rank, jet in enumerate(jets[:3]):
            row[f"j{rank + 1}_pt"], row[f"j{rank + 1}_eta"] = jet.pt(), jet.eta()
            row[f"j{rank + 1}_n"] = len(jet.constituents())
        if len(jets) > 2:
            row["mjjj"] = (jets[0] + jets[1] + jets[2]).m()
            row |= {name: (jets[i] + jets[j]).m() for name, (i, j) in PAIRS.items()}
        row["m_jets"] = row.get("mjjj", row["mjj"])
        if len(jets) > 1:
            row |= {f"j{i + 1}_mass_over_pt": jets[i].m() / jets[i].pt() for i in range(2)}
            row["j3_pt_over_m"] = jets[2].pt() / row["mjjj"] if len(jets) > 2 else 0.0
        found.append(row)
    return found


def test_more_jets_are_described_and_missing_ones_are_zero(events) -> None:
    columns, fewer = select(events, min_jets=2, described=5), select(events, min_jets=2)
    for name in fewer:
        np.testing.assert_array_equal(columns[name], fewer[name])
    pt = np.stack([columns[f"j{rank}_pt"] for rank in range(1, 6)], axis=1)
    np.testing.assert_array_equal((pt > 0).sum(axis=1), columns["n_jets"].clip(max=5))
    assert (np.diff(pt, axis=1) <= 0).all()
    assert (pt[:, 3] > 0).any()


def test_fewer_than_three_described_jets_are_refused() -> None:
    with pytest.raises(ConfigError, match="described is 2"):
        MultijetProcessor(described=2)


@pytest.mark.parametrize("min_jets", [2, 3])
def test_events_agree_with_a_loop(events, min_jets) -> None:
    columns = select(events, min_jets=min_jets)
    expected = [row for row in loop_over_events(events) if row["n_jets"] >= min_jets]
    assert len(columns["event"]) == len(expected) > 10
    for k, row in enumerate(expected):
        assert {name: columns[name][k] for name in row} == pytest.approx(row, rel=1e-5)


def test_without_a_third_jet_what_needs_it_is_zero(events) -> None:
    columns = select(events, min_jets=2, features=("tau1", "constituents", "image"))
    two = columns["n_jets"] == 2
    assert 0 < two.sum() < len(two)
    for name in ("mjjj", "m13", "m23", "m_low", "m_mid", "j3_pt", "j3_eta", "j3_mass", "j3_tau1"):
        assert (columns[name][two] == 0).all()
        assert (columns[name][~two] != 0).all()
    np.testing.assert_array_equal(columns["m_high"][two], columns["mjj"][two])
    assert (ak.num(columns["j3_constituents"]) > 0).tolist() == (~two).tolist()
    np.testing.assert_allclose(columns["j3_image"].sum(axis=(1, 2)), ~two, atol=1e-5)


def test_features_without_a_scale_do_not_know_it() -> None:
    """Of events in which everything has twice the momentum they are the same."""
    n = np.full(20, 30)
    rng = np.random.default_rng(3)
    pt, eta, phi = rng.exponential(60, 600) + 1, rng.uniform(-1, 1, 600), rng.uniform(-3, 3, 600)
    once, twice = (select(normal(np.c_[k * pt, eta, phi], n), min_jet_pt=50.0 * k) for k in (1, 2))
    assert len(once["event"]) > 10
    np.testing.assert_allclose(2 * once["m_jets"], twice["m_jets"], rtol=1e-5)
    for name in ("j1_n", "j2_n", "j1_mass_over_pt", "j2_mass_over_pt", "j3_pt_over_m"):
        np.testing.assert_allclose(once[name], twice[name], rtol=1e-4, err_msg=name)


def test_masses_in_order_are_those_of_the_pairs(events) -> None:
    columns = select(events)
    pairs = np.sort([columns[name] for name in PAIRS], axis=0)
    np.testing.assert_array_equal([columns[f"m_{x}"] for x in ("low", "mid", "high")], pairs)
    # m123² + Σ m_i² = Σ m_ij²
    left = columns["mjjj"].astype(float) ** 2
    left += sum(columns[f"j{k}_mass"].astype(float) ** 2 for k in (1, 2, 3))
    np.testing.assert_allclose(left, (pairs.astype(float) ** 2).sum(axis=0), rtol=1e-5)


def test_what_it_shares_with_the_dijet_processor_is_the_same(events) -> None:
    two, three = DijetProcessor().select(events).columns, select(events, min_jets=2)
    for name in (name for name in two if name in three and not name.startswith("j3")):
        np.testing.assert_array_equal(two[name], three[name], err_msg=name)


def test_cuts_are_counted(events) -> None:
    everything = select(events)
    lead = everything["j1_pt"] > 850
    eta = np.stack([everything[f"j{k}_eta"] for k in (1, 2, 3)])
    central = lead & (abs(eta) < 1.9).all(axis=0)
    close = central & (abs(eta[0] - eta[1]) < 1.3)
    cuts = {"min_lead_pt": 850.0, "max_abs_eta": 1.9, "max_delta_eta": 1.3}
    cut = MultijetProcessor(**cuts).select(events)
    assert list(cut.cutflow) == [
        "events read",
        "finite particles",
        "three jets",
        "leading jet pT",
        "leading jets eta",
        "delta eta",
    ]
    assert list(cut.cutflow.values())[3:] == [lead.sum(), central.sum(), close.sum()]
    assert 0 < close.sum() < central.sum() < lead.sum() < len(lead)
    np.testing.assert_array_equal(cut.columns["event"], everything["event"][close])


def black_box_3(n_events: int, *, m_r: float, m: float = 4200.0, seed: int = 2) -> ak.Array:
    """X → g R, R → g g at rest, isotropic, one particle a gluon."""
    rng = np.random.default_rng(seed)
    gluon = (m * m - m_r * m_r) / (2 * m)  # energy of the gluon beside R
    speed, gamma = gluon / (m - gluon), (m - gluon) / m_r
    cos = rng.uniform(-1, 1, n_events)
    sin = np.sqrt(1 - cos * cos)
    along, across = gamma * m_r / 2 * (cos + speed), m_r / 2 * sin
    other = gamma * m_r / 2 * (speed - cos)
    zero = np.zeros(n_events)
    vectors = np.stack(
        [
            np.stack([-np.full(n_events, gluon), zero, zero], 1),
            np.stack([along, across, zero], 1),
            np.stack([other, -across, zero], 1),
        ],
        axis=1,
    )
    turns = Rotation.random(n_events, random_state=seed).as_matrix()
    px, py, pz = np.moveaxis(np.einsum("nij,nkj->nki", turns, vectors), -1, 0)
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    eta = np.arcsinh(pz / pt)
    particles = np.stack([pt, eta, phi], axis=-1).reshape(-1, 3)
    return normal(particles, np.full(n_events, 3))


def test_decays_like_those_of_black_box_3_are_whole() -> None:
    columns = select(black_box_3(3000, m_r=2217.0), radius=0.4)
    assert len(columns["event"]) > 2700  # three jets above 50 GeV
    np.testing.assert_allclose(columns["mjjj"], 4200, rtol=1e-5)
    # R → gg is one of the pairs in every event
    pairs = np.stack([columns[name] for name in PAIRS])
    np.testing.assert_allclose(abs(pairs - 2217).min(axis=0), 0, atol=0.1)


def Q(m_r: float) -> float:
    """The q of the docstring of `MultijetProcessor`, for a resonance of 4.2 TeV."""
    return 2 * m_r**2 / (4200**2 - m_r**2)


@pytest.mark.parametrize(
    ("m_r", "name", "probability"),
    [
        (2217.0, "m_mid", Q(2217)),  # 0.77
        (2217.0, "m_low", 1 - Q(2217)),
        (2217.0, "m_high", 0.0),
        (2700.0, "m_high", Q(2700) - 1),
        (2700.0, "m_mid", 2 - Q(2700)),
        (2700.0, "m_low", 0.0),
        (3200.0, "m_high", 1.0),
    ],
)
def test_the_pair_that_is_r_is_the_documented_one(m_r, name, probability) -> None:
    # jets so small and soft that almost no gluon is lost
    jets = {"radius": 0.05, "min_jet_pt": 1.0, "features": (), "event_features": ()}
    columns = select(black_box_3(20_000, m_r=m_r), **jets)
    assert len(columns["event"]) > 19_900
    found = np.mean(abs(columns[name] - m_r) < 0.5)
    assert found == pytest.approx(probability, abs=0.015)  # 4 standard deviations


def test_event_features_are_columns_of_the_selected_events(events) -> None:
    columns = select(events, event_features=("tau2_rsd", "m_rsd"))
    every = event_shape(cartesian(events.particles), (2,))
    np.testing.assert_allclose(columns["m_rsd"], every.m_rsd[columns["event"].astype(int)])
    np.testing.assert_allclose(columns["tau2_rsd"], every.tau[columns["event"].astype(int), 0])
    assert "m_rsd" not in select(events, event_features=())


def test_particles_are_read_for_event_features_of_stored_jets_alone() -> None:
    assert MultijetProcessor().collections == ("particles",)
    assert MultijetProcessor(collection="raw_particles").collections == ("raw_particles",)
    stored = MultijetProcessor(collection="fat_jets")
    assert stored.collections == ("fat_jets", "particles")
    assert MultijetProcessor(collection="jets", event_features=()).collections == ("jets",)
