"""The selection against a plain loop over FastJet's PseudoJets."""

from __future__ import annotations

import fastjet
import numpy as np
import pytest

from overdensity.simulation.particles import Objects
from overdensity.simulation.selection import MAX_OBJECTS, Events, leading_jets, select
from overdensity.simulation.settings import Selection


def random_objects(n_events: int, per_event: int, *, scale: float, seed: int = 1) -> Objects:
    rng = np.random.default_rng(seed)
    n = n_events * per_event
    return Objects(
        event=rng.permutation(np.repeat(np.arange(n_events), per_event)),
        pt=rng.exponential(scale, n),
        eta=rng.normal(0.0, 1.0, n),
        phi=rng.uniform(-np.pi, np.pi, n),
        pdg_id=np.full(n, 22),
    )


def plain_leading_pt(objects: np.ndarray, radius: float) -> float:
    particles = []
    for pt, eta, phi in objects.astype(np.float64):
        particles.append(
            fastjet.PseudoJet(
                pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)
            )
        )
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    jets = fastjet.ClusterSequence(particles, definition).inclusive_jets()
    return max(jet.pt() for jet in jets)


def all_events(objects: Objects, n_events: int) -> Events:
    return select(objects, n_events, Selection(jet_pt_min=1e-9))


@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_leading_jet_agrees_with_a_plain_loop(radius: float) -> None:
    events = all_events(random_objects(20, 40, scale=30.0), 20)
    found = leading_jets(events, radius)[0][:, 0]
    rest = events
    for expected_of in found:
        one, rest = rest.split(1)
        assert expected_of == pytest.approx(plain_leading_pt(one.objects, radius), rel=1e-9)


def test_only_events_with_a_hard_jet_are_kept() -> None:
    objects = random_objects(60, 40, scale=30.0)
    everything = all_events(objects, 60)
    leading = leading_jets(everything, 1.0)[0][:, 0]
    threshold = float(np.median(leading))
    kept = select(objects, 60, Selection(jet_pt_min=threshold))
    assert len(kept) == (leading > threshold).sum() == 30
    assert (leading_jets(kept, 1.0)[0][:, 0] > threshold).all()


def test_objects_are_ordered_and_the_hardest_kept() -> None:
    objects = random_objects(3, MAX_OBJECTS + 50, scale=5.0)
    events = all_events(objects, 3)
    assert events.counts.tolist() == [MAX_OBJECTS] * 3
    first, _ = events.split(1)
    expected = np.sort(objects.pt[objects.event == 0])[::-1][:MAX_OBJECTS]
    np.testing.assert_array_equal(first.objects[:, 0], expected.astype(np.float32))


def test_events_without_objects_are_dropped() -> None:
    objects = Objects(
        np.array([1]), np.array([2000.0]), np.array([0.1]), np.array([0.2]), np.array([22])
    )
    kept = select(objects, 3, Selection())
    assert kept.counts.tolist() == [1]
    assert len(select(Objects.merge(objects), 3, Selection(jet_pt_min=3000.0))) == 0


def test_no_events_at_all() -> None:
    nothing = Objects(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0), np.empty(0))
    assert len(select(nothing, 0, Selection())) == 0
    assert len(select(nothing, 5, Selection())) == 0


def test_split_and_concatenate_are_inverse() -> None:
    events = all_events(random_objects(10, 7, scale=30.0), 10)
    again = Events.concatenate(list(events.split(4)))
    np.testing.assert_array_equal(again.counts, events.counts)
    np.testing.assert_array_equal(again.objects, events.objects)
