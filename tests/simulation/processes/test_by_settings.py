from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.simulation import BySettings, DaughterFacts

from ..conftest import hard_process

pytest.importorskip("pythia8mc")


def test_any_process_of_pythia_is_made_by_its_settings() -> None:
    prt = hard_process(BySettings(), 20, ("WeakSingleBoson:ffbar2gmZ = on", "23:mMin = 80"))
    assert (np.asarray(prt.id[:, 5]) == 23).all()


def test_what_it_is_has_to_be_said() -> None:
    lighter, heavier = DaughterFacts("b", 4.8, 1), DaughterFacts("H", 125.0, 2)
    facts = BySettings("T → H b", 900.0, (lighter, heavier)).facts()
    assert [each.name for each in facts.daughters] == ["H", "b"]
    assert BySettings().facts().resonance_mass is None


SCALAR = """
BLOCK QNUMBERS 9900040 # S
  1 0
  2 1
  3 1
  4 0
BLOCK MASS
  9900040 {mass}
DECAY 9900040 0.01
  0.2 2 11 -11
  0.8 2 13 -13
DECAY {mother} 0.1
  1.0 2 9900040 13
"""
PAIRS = ("HiddenValley:ffbar2TAUvTAUvbar = on", "4900015:m0 = 400")


def test_a_new_particle_decays_as_its_table_says() -> None:
    kind = BySettings(slha=SCALAR.format(mass=150.0, mother=4_900_015))
    prt = hard_process(kind, 150, PAIRS)
    of_scalar = prt.id[prt.id[prt.mother1] == 9_900_040]
    electrons, muons = (int(ak.sum(of_scalar == code)) for code in (11, 13))
    assert electrons + muons == 300
    assert electrons == pytest.approx(60, abs=4 * np.sqrt(60 * 0.8))
    masses = prt.m[(prt.id == 9_900_040) & (abs(prt.status) == 22)]
    assert np.median(ak.flatten(masses)) == pytest.approx(150.0, abs=0.1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((450.0, 4_900_015), "the particle 4900015 of 400 GeV cannot decay to 9900040 13, which"),
        ((150.0, 23), "Pythia does not take the decays of 23 from the table"),
    ],
)
def test_a_table_that_pythia_cannot_follow_is_refused(given: tuple[float, int], says: str) -> None:
    table = SCALAR.format(mass=given[0], mother=given[1])
    table = table if given[1] > 100 else table.replace("2 9900040 13", "2 11 -11")
    with pytest.raises(InputError, match=says):
        hard_process(BySettings(slha=table), 1, PAIRS)
