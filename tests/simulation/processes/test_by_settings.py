from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import yaml

from overdensity.core import InputError
from overdensity.simulation import BySettings, DaughterFacts, GeneratorSettings, read_recipe
from overdensity.simulation.generator import open_pythia

from ..conftest import BARE, hard_process

pytest.importorskip("pythia8mc")


def test_any_process_of_pythia_is_made_by_its_settings() -> None:
    prt = hard_process(BySettings(), 20, ("WeakSingleBoson:ffbar2gmZ = on", "23:mMin = 80"))
    assert (np.asarray(prt.id[:, 5]) == 23).all()


def test_what_it_is_has_to_be_said() -> None:
    lighter, heavier = DaughterFacts("b", 4.8, 1), DaughterFacts("H", 125.0, 2)
    facts = BySettings("T → H b", 900.0, (lighter, heavier)).facts()
    assert [each.name for each in facts.daughters] == ["H", "b"]
    assert BySettings().facts().resonance_mass is None


EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PAIRS = ("HiddenValley:ffbar2TAUvTAUvbar = on", "4900015:m0 = 400")
HEAVY_PARTICLES = """
BLOCK MASS
  9900040 450.0
DECAY 4900015 0.1
  1.0 2 9900040 13
"""
OF_THE_Z = "DECAY 23 2.5\n 1.0 2 11 -11"


def test_a_new_particle_decays_and_is_made_as_the_tables_say() -> None:
    process = read_recipe(EXAMPLES / "recipes" / "leptons_scalar400.yaml").processes[0]
    opened, _ = open_pythia(process.kind, 5, GeneratorSettings(), (*process.pythia, *BARE))
    prt = opened.nextBatch(1000).prt
    ids = ak.values_astype(prt.id, np.int64)
    of_scalar = ids[ids[prt.mother1] == 9_900_040]
    for code, ratio in ((11, 0.25), (13, 0.25), (15, 0.5)):
        spread = np.sqrt(2000 * ratio * (1 - ratio))
        assert ak.sum(of_scalar == code) == pytest.approx(2000 * ratio, abs=4 * spread)
    assert ak.sum(np.abs(ids[np.abs(ids[prt.mother1]) == 4_900_015]) == 13) == 2000
    masses = prt.m[(ids == 9_900_040) & (np.abs(prt.status) == 22)]
    assert np.median(ak.flatten(masses)) == pytest.approx(150.0, abs=0.1)
    search = yaml.safe_load((EXAMPLES / "regions" / "leptons.yaml").read_text("utf-8"))
    expected = search["signals"]["scalar400"]["cross_section"] * 1e-12  # fb to mb
    assert opened.infoPython().sigmaGen() == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (HEAVY_PARTICLES, "the particle 4900015 of 400 GeV cannot decay to 9900040 13, which"),
        (OF_THE_Z, "Pythia does not take the decays of 23 from the table"),
    ],
)
def test_a_table_that_pythia_cannot_follow_is_refused(table: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        hard_process(BySettings(slha=table), 1, PAIRS)
