from __future__ import annotations

import numpy as np
import pytest

pythia8mc = pytest.importorskip("pythia8mc")

from overdensity.simulation.resonances.vector import (  # noqa: E402 - needs Pythia
    VectorResonance,
    new_particle,
    sine_squared,
)


def test_a_new_particle_has_what_was_asked_for() -> None:
    pythia = pythia8mc.Pythia("", printBanner=False)
    for line in new_particle(9_900_040, "N", 3, 2000.0, 0.01, color=2):
        assert pythia.readString(line)
    data = pythia.particleData
    assert data.m0(9_900_040) == 2000.0
    assert data.mWidth(9_900_040) == pytest.approx(20.0)
    assert data.colType(9_900_040) == 2
    assert data.isResonance(9_900_040)


def test_the_cross_section_falls_to_half_at_half_a_width() -> None:
    process = VectorResonance(9_900_040, 2000.0, 0.01)
    found = []
    for mass in (2000.0, 2010.0):
        process.sH = mass**2
        process.sigmaKin()
        found.append(process.sigmaHat())
    assert found[1] / found[0] == pytest.approx(0.5, rel=0.02)


def test_sine_squared_is_of_the_angle_in_the_rest_frame() -> None:
    at_rest, beam = pythia8mc.Vec4(0, 0, 0, 100.0), pythia8mc.Vec4(0, 0, 1, 0)
    for theta in (0.3, 1.2):
        momentum = pythia8mc.Vec4(10 * np.sin(theta), 0, 10 * np.cos(theta), 10)
        assert sine_squared(momentum, beam, at_rest) == pytest.approx(np.sin(theta) ** 2)
