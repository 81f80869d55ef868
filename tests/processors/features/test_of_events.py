"""Features of events by name, against the event shape that they are read off."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.processors import LhcoSource, read_events
from overdensity.processors.features import of_events
from overdensity.processors.features.event_shape import event_shape
from overdensity.processors.features.images import EVENT_PIXELS
from overdensity.processors.features.of_events import check_event_features, event_features
from overdensity.processors.jets.momentum import cartesian, momenta


def test_event_features_are_those_of_the_event_shape(lhco_file) -> None:
    names = ("tau32_rsd", "m_rsd", "tau1_rsd", "n_rsd", "ht_particles", "tau2_rsd")
    particles = cartesian(read_events(LhcoSource(), lhco_file).particles)
    found = event_features(names, particles)
    shape = event_shape(particles, (1, 2, 3))
    assert tuple(found) == names
    assert found["n_rsd"].dtype == np.int16
    np.testing.assert_array_equal(found["m_rsd"], shape.m_rsd)
    np.testing.assert_array_equal(found["n_rsd"], shape.n_rsd)
    np.testing.assert_array_equal(found["ht_particles"], shape.ht)
    np.testing.assert_allclose(found["tau1_rsd"], shape.tau[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found["tau32_rsd"] * shape.tau[:, 1], shape.tau[:, 2], rtol=1e-9)


def test_an_event_of_two_particles_has_their_mass() -> None:
    # m² = 2 pT1 pT2 (cosh Δη − cos Δφ), and neither is soft
    pair = momenta(np.array([400.0, 500.0]), np.array([0.1, -0.2]), np.array([0.0, 3.0]), [2])
    found = event_features(("m_rsd", "n_rsd", "tau2_rsd", "m_particles"), cartesian(pair))
    expected = np.sqrt(2 * 400 * 500 * (np.cosh(0.3) - np.cos(3.0)))
    assert found["m_rsd"] == found["m_particles"] == pytest.approx([expected])
    assert (found["n_rsd"].tolist(), found["tau2_rsd"].tolist()) == ([2], [0])


def test_the_image_of_an_event_needs_no_event_shape(monkeypatch) -> None:
    monkeypatch.setattr(of_events, "event_shape", None)
    pair = momenta(np.array([400.0, 500.0]), np.array([0.1, -0.2]), np.array([0.0, 3.0]), [2])
    image = event_features(("event_image",), cartesian(pair))["event_image"]
    assert image.shape == (1, EVENT_PIXELS, EVENT_PIXELS)
    assert sorted(image[image > 0].tolist()) == pytest.approx([0.8, 1.0])


def test_the_mass_of_all_particles_is_that_of_a_loop(lhco_file) -> None:
    particles = cartesian(read_events(LhcoSource(), lhco_file).particles)[:20]
    expected = []
    for event in particles:
        energy, *momentum = (sum(event[x].tolist()) for x in ("E", "px", "py", "pz"))
        expected.append((energy**2 - sum(p * p for p in momentum)) ** 0.5)
    found = event_features(("m_particles", "ht_particles"), particles)
    np.testing.assert_allclose(found["m_particles"], expected, rtol=1e-9)


def test_events_without_particles_have_zeros() -> None:
    none = np.empty(0)
    found = event_features(
        ("m_rsd", "tau21_rsd", "m_particles"),
        cartesian(momenta(none, none, none, np.zeros(3, int))),
    )
    assert {name: values.tolist() for name, values in found.items()} == {
        "m_rsd": [0, 0, 0],
        "tau21_rsd": [0, 0, 0],
        "m_particles": [0, 0, 0],
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mrsd"], "no event feature 'mrsd': did you mean 'm_rsd'"),
        (["tau31_rsd"], "no event feature 'tau31_rsd'"),
        (["m_rsd", "m_rsd"], "'m_rsd' is asked for more than once"),
    ],
)
def test_event_features_that_are_not_are_refused(names, message) -> None:
    with pytest.raises(ConfigError, match=message):
        check_event_features(names)
