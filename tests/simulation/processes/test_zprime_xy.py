from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.simulation import ZprimeMasses, ZprimeXY
from overdensity.simulation.truth import partons_of

from ..conftest import hard_process, resonance_and_daughters

pytest.importorskip("pythia8mc")


def test_x_and_y_have_their_masses_and_prongs() -> None:
    kind = ZprimeXY(ZprimeMasses(4500.0, 500.0, 150.0), prongs=3, prongs_y=2)
    prt = hard_process(kind)
    mass, daughters = resonance_and_daughters(prt)
    assert np.median(mass) == pytest.approx(4500.0, rel=0.01)
    np.testing.assert_allclose(np.median(daughters, axis=0), (500.0, 150.0), rtol=0.05)
    partons = partons_of(prt)
    assert np.bincount(partons.event).tolist() == [5] * 50
    above = partons.above_id[:, 0]
    assert [(above == code).sum() for code in (9_900_033, 9_900_034)] == [150, 100]


def test_facts_have_the_heavier_daughter_first() -> None:
    facts = ZprimeXY(ZprimeMasses(3500.0, 100.0, 500.0), prongs=2, prongs_y=3).facts()
    assert [(each.name, each.prongs) for each in facts.daughters] == [("Y", 3), ("X", 2)]
    assert facts.decay == "Z' → X Y, X → q q, Y → q q q"


@pytest.mark.parametrize("prongs", [{"prongs": 4}, {"prongs_y": 1}])
def test_other_numbers_of_prongs_are_refused(prongs: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"prongs must be 2 .* or 3 .*, not [14]"):
        ZprimeXY(**prongs)
