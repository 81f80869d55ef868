"""Four-momenta against the vector library."""

from __future__ import annotations

import awkward as ak
import numpy as np
import vector

from overdensity.processors.jets.momentum import cartesian, momenta


def test_cartesian_agrees_with_vector() -> None:
    rng = np.random.default_rng(3)
    pt, mass = rng.exponential(50, (2, 40))
    eta, phi = rng.uniform(-3, 3, (2, 40))
    counts = np.array([0, 15, 0, 25])
    result = cartesian(momenta(pt, eta, phi, counts, mass=mass))
    expected = vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": mass})
    assert ak.num(result).tolist() == counts.tolist()
    for name in ("px", "py", "pz", "E"):
        flat = ak.to_numpy(ak.flatten(result[name]))
        np.testing.assert_allclose(flat, getattr(expected, name), rtol=1e-12)


def test_particles_are_massless_unless_said() -> None:
    particles = momenta(np.array([30.0]), np.array([1.0]), np.array([2.0]), np.array([1]))
    assert ak.flatten(particles.mass).tolist() == [0.0]
    np.testing.assert_allclose(ak.flatten(particles.E), 30 * np.cosh(1.0))


def test_cartesian_reads_events_picked_from_others() -> None:
    particles = momenta(np.arange(1.0, 7.0), np.zeros(6), np.zeros(6), np.array([1, 2, 3]))
    picked = cartesian(particles[np.array([2, 0])])
    assert picked.px.tolist() == [[4.0, 5.0, 6.0], [1.0]]
