from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.simulation import GeneratorSettings, VectorLikeLeptons
from overdensity.simulation.generator import open_pythia

from ..conftest import hard_process

pytest.importorskip("pythia8mc")


def test_heavy_leptons_have_their_mass_and_decay_as_2_1_1() -> None:
    prt = hard_process(VectorLikeLeptons(mass=400.0, mixes_with="mu"), 300)
    is_heavy = (np.abs(prt.id) == 4_900_015) & (np.abs(prt.status) == 22)
    assert np.median(ak.flatten(prt.m[is_heavy])) == pytest.approx(400.0, rel=0.01)
    daughters = np.abs(np.asarray(ak.flatten(prt.id[np.abs(prt.id[prt.mother1]) == 4_900_015])))
    counts = {code: int((daughters == code).sum()) for code in (24, 23, 25, 14, 13)}
    assert counts[24] == counts[14] == 600 - counts[23] - counts[25]
    assert counts[13] == counts[23] + counts[25]
    for code, share in ((24, 0.5), (23, 0.25), (25, 0.25)):
        assert counts[code] == pytest.approx(
            600 * share, abs=4 * np.sqrt(600 * share * (1 - share))
        )


def test_cross_section_and_angles_are_those_of_spin_one_half() -> None:
    """Colliding electrons have no densities: 4 π α² / 3 s times β (3 - β²) / 2, and 1 + αs / π of Pythia."""
    pythia, _ = open_pythia(
        VectorLikeLeptons(mass=200.0),
        5,
        GeneratorSettings(collision_energy=1000.0),
        ("Beams:idA = 11", "Beams:idB = -11", "PDF:lepton = off", "PartonLevel:all = off"),
    )
    info = pythia.nextBatch(1000).info
    beta = np.sqrt(1 - 0.4**2)
    expected = 4 * np.pi * np.mean(info.alphaEM) ** 2 / 3e6 * beta * (3 - beta**2) / 2 * 0.3894
    expected *= 1 + np.mean(info.alphaS) / np.pi
    assert pythia.infoPython().sigmaGen() == pytest.approx(expected, rel=0.06)
    cosine = np.asarray(info.tHat - info.uHat) / 1e6 / beta
    assert np.mean(cosine**2) == pytest.approx(0.385, abs=0.03)  # 0.2 of scalars


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"mass": 120.0}, "a heavy lepton of 120 GeV cannot decay to a Higgs boson and a lepton"),
        ({"mixes_with": "top"}, "mixes_with must be e, mu or tau, not 'top'"),
    ],
)
def test_impossible_leptons_are_refused(given: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        VectorLikeLeptons(**given)
