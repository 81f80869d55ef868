"""Jets one by one against the dijet processor, FastJet's own objects, and what files store."""

from __future__ import annotations

from typing import Any

import awkward as ak
import fastjet
import numpy as np
import pytest

from overdensity.processors import DijetProcessor
from overdensity.processors.final_states.single_jets import JetProcessor
from overdensity.processors.jets.momentum import cartesian, momenta

JET = ("pt", "eta", "phi", "mass", "tau1", "tau2", "tau3", "tau21", "tau32", "n")


def three_sprays(n_events: int, *, seed: int) -> ak.Array:
    """Events with one to three sprays of particles."""
    rng = np.random.default_rng(seed)
    events = []
    for _ in range(n_events):
        of_event = []
        for _ in range(rng.integers(1, 4)):
            n = rng.integers(3, 40)
            place = [rng.uniform(-2.5, 2.5), rng.uniform(-np.pi, np.pi)]
            pt = rng.exponential(600 / n, n) + 0.5
            of_event.append(np.column_stack([pt, rng.normal(place, 0.15, (n, 2))]))
        events.append(np.concatenate(of_event))
    counts = np.array([len(event) for event in events])
    fields = {
        "particles": momenta(*np.concatenate(events).T, counts),
        "event": np.arange(n_events, dtype=np.uint64) + 1000,
        "label": rng.integers(0, 2, n_events).astype(np.int8),
        "weight": rng.uniform(0.5, 1.5, n_events),
    }
    return ak.zip(fields, depth_limit=1)


@pytest.fixture(scope="module")
def events() -> ak.Array:
    return three_sprays(60, seed=6)


def select(events: ak.Array, **settings: Any) -> dict[str, Any]:
    return JetProcessor(**settings).select(events).columns


def test_rows_are_the_jets_of_the_dijet_processor(events) -> None:
    jets, pairs = select(events), DijetProcessor().select(events).columns
    two = np.isin(jets["event"], pairs["event"])
    assert len(pairs["event"]) > 20
    for rank in (1, 2):
        these = two & (jets["jet"] == rank)
        np.testing.assert_array_equal(jets["event"][these], pairs["event"])
        np.testing.assert_array_equal(jets["mjj"][these], pairs["mjj"])
        for name in JET:
            np.testing.assert_array_equal(jets[name][these], pairs[f"j{rank}_{name}"])


def test_all_jets_are_those_of_a_loop_over_pseudojets(events) -> None:
    columns = select(events, radius=0.6, min_jet_pt=30.0, max_abs_eta=2.0, n_jets=None)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.6)
    rows = []
    for number, event in zip(events.event, cartesian(events.particles), strict=True):
        buffers = zip(*(event[x].tolist() for x in ("px", "py", "pz", "E")), strict=True)
        particles = [fastjet.PseudoJet(*momentum) for momentum in buffers]
        sequence = fastjet.ClusterSequence(particles, definition)
        for place, jet in enumerate(fastjet.sorted_by_pt(sequence.inclusive_jets(30.0)), start=1):
            if abs(jet.eta()) < 2.0:
                inside = sorted((x.pt() for x in jet.constituents()), reverse=True)
                rows.append((number, place, jet.pt(), jet.eta(), jet.m(), inside))
    ids, places, pt, eta, mass, inside = zip(*rows, strict=True)
    assert columns["event"].tolist() == list(ids)
    assert columns["jet"].tolist() == list(places)
    np.testing.assert_allclose(columns["pt"], pt, rtol=1e-5)
    np.testing.assert_allclose(columns["eta"], eta, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(columns["mass"], mass, rtol=1e-4, atol=1e-2)
    for found, expected in zip(columns["constituents"], inside, strict=True):
        np.testing.assert_allclose(found.pt, expected, rtol=1e-5)


def test_constituents_add_up_to_their_jet(events) -> None:
    columns = select(events)
    inside = columns["constituents"]
    pt, eta, phi = (ak.values_astype(inside[x], np.float64) for x in ("pt", "eta", "phi"))
    eta = eta + columns["eta"].astype(np.float64)  # relative to the jet
    # the transverse momentum along the jet's, and none across
    np.testing.assert_allclose(ak.sum(pt * np.cos(phi), axis=1), columns["pt"], rtol=1e-4)
    np.testing.assert_allclose(ak.sum(pt * np.sin(phi), axis=1) / columns["pt"], 0, atol=1e-4)
    pz = columns["pt"] * np.sinh(columns["eta"].astype(np.float64))
    np.testing.assert_allclose(ak.sum(pt * np.sinh(eta), axis=1), pz, rtol=1e-3, atol=1e-1)


def test_each_row_carries_what_belongs_to_its_event(events) -> None:
    columns = select(events)
    place = columns["event"].astype(int) - 1000
    np.testing.assert_array_equal(columns["label"], events.label[place])
    np.testing.assert_array_equal(columns["weight"], np.float32(events.weight)[place])
    first, second = (columns["event"][columns["jet"] == rank] for rank in (1, 2))
    assert set(second) < set(first)
    alone = ~np.isin(columns["event"], second)
    assert alone.any()
    assert (columns["mjj"][alone] == 0).all()
    assert (columns["mjj"][~alone] > 0).all()


def test_jets_keep_their_place_when_others_fail_the_cuts(events) -> None:
    every = select(events, n_jets=None)
    central = select(events, n_jets=1, max_abs_eta=0.8)
    passing = abs(every["eta"]) < 0.8
    _, first = np.unique(every["event"][passing], return_index=True)  # events are in order
    for name in ("event", "jet", "pt", "tau21", "mjj"):
        np.testing.assert_array_equal(central[name], every[name][passing][first], err_msg=name)
    assert set(central["jet"]) > {1}


def test_the_cutflow_counts_events(events) -> None:
    selected = JetProcessor(min_jet_pt=400.0).select(events)
    assert selected.cutflow["a jet"] == len(np.unique(selected.columns["event"])) < len(events)
    assert selected.cutflow["a jet"] < len(selected.columns["event"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("constituents", "var * {pt: float32, eta: float32, phi: float32}"),
        ("kt_sequence", "var * {pt: float32, eta: float32, phi: float32}"),
    ],
)
def test_sequences_are_lists_in_single_precision(events, name, kind) -> None:
    assert str(select(events, features=(name,))[name].type.content) == kind


def test_images_are_arrays_of_one_size(events) -> None:
    images = select(events, features=("image",))["image"]
    assert (images.shape[1:], images.dtype) == ((40, 40), np.float32)


def test_no_features_leave_the_kinematics(events) -> None:
    assert list(select(events, features=())) == [
        "event",
        "jet",
        "mjj",
        "pt",
        "eta",
        "phi",
        "mass",
        "weight",
        "label",
    ]
