from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.simulation import GluonR, GravitonGG, WprimeTB, ZprimeTT
from overdensity.simulation.truth import partons_of

from ..conftest import hard_process, resonance_and_daughters

pytest.importorskip("pythia8mc")


def test_a_graviton_goes_to_two_gluons() -> None:
    prt = hard_process(GravitonGG(mass=4200.0))
    mass, _ = resonance_and_daughters(prt)
    assert np.median(mass) == pytest.approx(4200.0, rel=0.01)
    partons = partons_of(prt)
    assert set(partons.pdg_id.tolist()) == {21}
    assert np.bincount(partons.event).tolist() == [2] * 50


def test_a_cascade_goes_to_three_gluons_two_of_them_of_r() -> None:
    prt = hard_process(GluonR(mass=4200.0, mass_r=2217.0))
    mass, daughters = resonance_and_daughters(prt)
    assert np.median(mass) == pytest.approx(4200.0, rel=0.01)
    assert np.median(daughters[:, 0]) == pytest.approx(2217.0, rel=0.01)
    partons = partons_of(prt)
    assert set(partons.pdg_id.tolist()) == {21}
    assert np.bincount(partons.event).tolist() == [3] * 50
    assert (partons.above_id[:, 0] == 9_900_036).sum() == 100


def test_r_that_is_too_heavy_is_refused() -> None:
    with pytest.raises(InputError, match="a resonance of 2000 GeV cannot decay to R of 2217 GeV"):
        GluonR(mass=2000.0)
    with pytest.raises(InputError, match=r"GravitonGG\.mass must be a positive number, not -1"):
        GravitonGG(mass=-1.0)


@pytest.mark.parametrize("kind", [GluonR, GravitonGG, WprimeTB, ZprimeTT])
def test_what_is_too_broad_to_be_a_peak_is_refused(kind: type) -> None:
    with pytest.raises(
        InputError, match=rf"{kind.__name__}\.width must be at most 0\.05, not 0\.2"
    ):
        kind(width=0.2)
