from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation import GluonR

from ..conftest import hard_process

pytest.importorskip("pythia8mc")


def test_the_scattering_angle_goes_as_one_plus_cosine_squared() -> None:
    prt = hard_process(GluonR(), 400)
    resonance, r = prt[:, 5], prt[prt.id == 9_900_036][:, 0]
    # Without showers the resonance has no transverse momentum, and its boost is along the beam.
    energy, pz = np.asarray(resonance.p.e), np.asarray(resonance.p.pz)
    gamma, beta = energy / np.asarray(resonance.m), pz / energy
    along = gamma * (np.asarray(r.p.pz) - beta * np.asarray(r.p.e))
    square = along**2 + np.asarray(r.p.px) ** 2 + np.asarray(r.p.py) ** 2
    # <cos² θ> is 2/5 for 1 + cos² θ (1/3 if flat, 1/5 for sin²); its variance is below 0.1.
    assert np.mean(along**2 / square) == pytest.approx(0.4, abs=4 * np.sqrt(0.1 / 400))
