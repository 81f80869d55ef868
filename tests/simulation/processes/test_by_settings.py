from __future__ import annotations

import numpy as np
import pytest

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
