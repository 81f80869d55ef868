"""Leptons against a loop over pairs, hand-made events, and ZZ → 4ℓ by Delphes."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from vector import MomentumObject4D

from overdensity.core import InputError
from overdensity.processors.final_states.leptons import REGIONS, LeptonProcessor, find_z
from overdensity.processors.jets.momentum import cartesian, momenta

Z_MASS = 91.188


def events_of(of_events: list[list[tuple[float, ...]]], **more: Any) -> ak.Array:
    """Events of leptons given as (pt, eta, phi, pdg_id[, isolation, identified])."""
    flat = np.array(
        [(*x, *(0.0, 1.0)[len(x) - 4 :]) for event in of_events for x in event]
    ).reshape(-1, 6)
    counts = np.array([len(event) for event in of_events])
    leptons = momenta(*flat.T[:3], counts)
    columns = {
        "pdg_id": flat[:, 3].astype(np.int32),
        "charge": -np.sign(flat[:, 3]).astype(np.int8),
        "isolation": flat[:, 4],
        "identified": flat[:, 5] > 0,
    }
    for name, values in columns.items():
        leptons = ak.with_field(leptons, ak.unflatten(values, counts), name)
    ids = np.arange(len(of_events), dtype=np.uint64)
    return ak.zip({"leptons": leptons, "event": ids, **more}, depth_limit=1)


def back_to_back(mass: float, flavour: int, eta: float, phi: float) -> list[tuple[float, ...]]:
    """A pair of one flavour and opposite charge, of this mass: m = 2 pT."""
    return [(mass / 2, eta, phi, flavour), (mass / 2, eta, phi + np.pi, -flavour)]


def select(events: ak.Array, **settings: Any) -> dict[str, Any]:
    return LeptonProcessor(**settings).select(events).columns


@pytest.fixture(scope="module")
def random_leptons() -> ak.Array:
    """Three hundred events of nought to seven leptons."""
    rng = np.random.default_rng(8)
    return events_of(
        [
            [
                (rng.exponential(40) + 5, rng.uniform(-2.6, 2.6), rng.uniform(-3, 3), pdg_id)
                for pdg_id in rng.choice([-13, -11, 11, 13], rng.integers(0, 8))
            ]
            for _ in range(300)
        ]
    )


def plain(leptons: ak.Array) -> list[SimpleNamespace]:
    """The leptons of an event as plain objects, which a loop looks at sooner."""
    return [SimpleNamespace(**each) for each in leptons.tolist()]


def mass_of(*leptons: Any) -> float:
    """The mass of a sum, from energy and momentum."""
    vectors = [MomentumObject4D(pt=x.pt, eta=x.eta, phi=x.phi, mass=x.mass) for x in leptons]
    return float(sum(vectors[1:], vectors[0]).mass)


def loop_over_pairs(leptons: list[Any]) -> tuple[float, float, float]:
    """The two pairs nearest to the Z that share no lepton, and the lightest pair."""
    masses = {
        (i, j): mass_of(leptons[i], leptons[j])
        for i, j in combinations(range(len(leptons)), 2)
        if leptons[i].pdg_id == -leptons[j].pdg_id
    }
    pairs = [(abs(mass - Z_MASS), mass, {*both}) for both, mass in masses.items()]
    if not pairs:
        return 0.0, 0.0, np.inf
    first = min(pairs, key=lambda pair: pair[0])
    others = [pair for pair in pairs if not pair[2] & first[2]]
    second = min(others, key=lambda pair: pair[0])[1] if others else 0.0
    return first[1], second, min(pair[1] for pair in pairs)


def test_pairs_are_those_of_a_loop(random_leptons) -> None:
    leptons = random_leptons.leptons
    carried = ak.with_field(cartesian(leptons), leptons.pdg_id, "pdg_id")
    expected = [loop_over_pairs(plain(event)) for event in leptons]
    np.testing.assert_allclose(np.transpose(find_z(carried)), expected, atol=1e-6)


def test_selected_events_are_those_of_a_loop(random_leptons) -> None:
    columns = select(random_leptons, min_pt=15.0, max_abs_eta=2.0)
    rows = {event: row for row, event in enumerate(columns["event"].tolist())}
    kept = 0
    for event in random_leptons:
        good = [x for x in plain(event.leptons) if x.pt > 15 and abs(x.eta) < 2]
        good.sort(key=lambda x: -x.pt)
        first, second, lightest = loop_over_pairs(good)
        if len(good) < 4 or lightest < 12:
            assert event.event not in rows
            continue
        kept += 1
        row = rows[event.event]
        expected = {
            "m4l": mass_of(*good[:4]),
            "mz1": first,
            "mz2": second,
            "lt": sum(x.pt for x in good),
            "n_leptons": len(good),
            "charge": sum(x.charge for x in good),
            **{f"l{k + 1}_pt": x.pt for k, x in enumerate(good[:4])},
            **{f"l{k + 1}_eta": x.eta for k, x in enumerate(good[:4])},
            **{f"l{k + 1}_phi": x.phi for k, x in enumerate(good[:4])},
            **{f"l{k + 1}_flavour": abs(x.pdg_id) for k, x in enumerate(good[:4])},
            **{f"l{k + 1}_charge": x.charge for k, x in enumerate(good[:4])},
        }
        found = {name: columns[name][row] for name in expected}
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert kept == len(rows) > 30


def test_a_pair_in_one_direction_is_light_though_its_mass_is_zero() -> None:
    z = back_to_back(91.0, 13, 0.2, 0.1)
    together = [(30.0, 0.0, 0.0, 11), (20.0, 0.0, 0.0, -11)]  # without mass, as Delphes has them
    alike = [(30.0, 0.0, 0.0, 11), (20.0, 0.0, 0.0, 11)]
    assert select(events_of([z + together, z + alike]))["event"].tolist() == [1]


def test_two_pairs_on_the_z_are_found_whatever_their_flavour() -> None:
    one, other = back_to_back(91.0, 11, 0.2, 0.1), back_to_back(89.0, 11, -0.8, 1.4)
    columns = select(events_of([one + other, other + back_to_back(92.0, 13, 0.0, 0.5)]))
    np.testing.assert_allclose(columns["mz1"], [91, 92], rtol=1e-6)
    np.testing.assert_allclose(columns["mz2"], [89, 89], rtol=1e-6)
    assert columns["region"].tolist() == [REGIONS.index("4l_2Z")] * 2


def test_regions() -> None:
    z, off = back_to_back(91, 11, 0.2, 0.1), back_to_back(150, 13, -0.8, 1.4)
    far = back_to_back(60, 11, 1.0, 2.0)
    same_sign = [(40.0, 0.0, 0.0, 13.0), (50.0, 0.5, 2.0, 13.0)]
    no_pair = [*same_sign, (40.0, -1.0, 1.0, -11.0), (50.0, -1.5, -2.0, -11.0)]
    columns = select(events_of([z + off, far + off, z + same_sign, z + off + z, no_pair]))
    names = [REGIONS[k] for k in columns["region"]]
    assert names == ["4l_1Z", "4l_0Z", "4l_charged", "5l", "4l_0Z"]
    assert columns["n_z"].tolist()[:3] == [1, 0, 1]
    assert columns["charge"].tolist() == [0, 0, -2, 0, 0]
    assert (columns["mz1"][-1], columns["mz2"][-1]) == (0, 0)


def test_leptons_fail_by_each_cut_alone() -> None:
    good = back_to_back(91, 11, 0.2, 0.1) + back_to_back(150, 13, -0.8, 1.4)[:1]
    fourth = {
        "passes": (75.0, -0.8, 2.0, -13.0, 0.1, 1),
        "soft": (9.0, -0.8, 2.0, -13.0, 0.1, 1),
        "forward": (75.0, -2.6, 2.0, -13.0, 0.1, 1),
        "not isolated": (75.0, -0.8, 2.0, -13.0, 0.3, 1),
        "not identified": (75.0, -0.8, 2.0, -13.0, 0.1, 0),
    }
    events = events_of([[*good, lepton] for lepton in fourth.values()])
    assert select(events)["event"].tolist() == [0]
    loose = {
        "min_pt": 5.0,
        "max_abs_eta": 3.0,
        "max_isolation": None,
        "identified": False,
    }
    for (name, value), event in zip(loose.items(), range(1, 5), strict=True):
        assert select(events, **{name: value})["event"].tolist() == [0, event]


def test_light_pairs_and_soft_leading_leptons_are_counted() -> None:
    pair = back_to_back(91, 11, 0.2, 0.1)
    photon = [(40.0, 1.0, 1.0, 13.0), (40.0, 1.0, 1.2, -13.0)]  # m = 2 · 40 · sin(0.1) = 8 GeV
    events = events_of([pair + photon, pair + back_to_back(60, 13, 1.0, 2.0)])
    assert LeptonProcessor().select(events).cutflow == {
        "events read": 2,
        "finite leptons": 2,
        "four leptons": 2,
        "no light pair": 1,
    }
    assert len(select(events, min_pair_mass=7.9)["event"]) == 2
    cutflow = LeptonProcessor(min_lead_pt=50.0).select(events).cutflow
    assert cutflow["leading lepton pT"] == 0


def test_jets_that_are_leptons_are_not_counted() -> None:
    leptons = back_to_back(91, 11, 0.2, 0.1) + back_to_back(150, 13, -0.8, 1.4)
    pt, eta, phi = np.array([[60, 0.2, 0.3], [80, 2.0, 0.1], [35, 0, 2.6], [25, 1, 1]]).T
    jets = momenta(pt, eta, phi, np.array([4, 0]))
    columns = select(events_of([leptons, leptons], jets=jets), count_jets=True)
    assert columns["n_jets"].tolist() == [2, 0]  # one is 0.2 from a lepton, one is soft
    np.testing.assert_allclose(columns["ht"], [115, 0])


def test_missing_momentum_is_carried_along() -> None:
    leptons = back_to_back(91, 11, 0.2, 0.1) + back_to_back(150, 13, -0.8, 1.4)
    columns = select(events_of([leptons[:2], leptons], met=np.array([5.0, 7.0])))
    assert columns["met"].tolist() == [7.0]
    assert "met" not in select(events_of([leptons]))


def test_leptons_without_identification_are_refused() -> None:
    events = events_of([back_to_back(91, 11, 0.2, 0.1)])
    events["leptons"] = ak.without_field(events.leptons, "isolation")
    with pytest.raises(InputError, match="the leptons have no isolation"):
        LeptonProcessor().select(events)


@pytest.fixture(scope="module")
def zz(shared_data) -> ak.Array:
    """ZZ → 4ℓ as Delphes stores it, read without the sources of this package."""
    tree = uproot.open(shared_data / "root" / "delphes_zz4l.root")["Delphes"]
    names = ["PT", "Eta", "Phi", "Charge", "IsolationVar"]
    arrays = tree.arrays([f"{lepton}.{x}" for lepton in ("Electron", "Muon") for x in names])
    return events_of(
        [
            [
                (pt, eta, phi, -charge * pdg_id, isolation)
                for lepton, pdg_id in (("Electron", 11), ("Muon", 13))
                for pt, eta, phi, charge, isolation in zip(
                    *(event[f"{lepton}.{x}"] for x in names), strict=True
                )
            ]
            for event in arrays.tolist()
        ]
    )


def test_zz_events_have_two_z_bosons(zz) -> None:
    selected = LeptonProcessor().select(zz)
    columns = selected.columns
    assert list(selected.cutflow.values())[:2] == [1500, 1500]
    assert 250 < selected.cutflow["no light pair"] < 400  # four of four leptons in acceptance
    # Particle Data Group: m_Z = 91.188, Γ_Z = 2.495 GeV; the card smears by 1 to 2 per cent
    assert np.median(columns["mz1"]) == pytest.approx(91.2, abs=0.5)
    assert np.mean(abs(columns["mz1"] - 91.2) < 5) > 0.9
    assert np.median(columns["mz2"]) == pytest.approx(91.2, abs=2.0)
    # two Z bosons on their mass shell have at least twice the mass
    on_shell = columns["region"] == REGIONS.index("4l_2Z")
    assert np.mean(on_shell) > 0.7
    assert np.mean(columns["m4l"][on_shell] > 2 * 81) > 0.99
    assert {REGIONS[k] for k in columns["region"]} <= {"4l_2Z", "4l_1Z", "4l_0Z"}
    assert (columns["charge"] == 0).all()
