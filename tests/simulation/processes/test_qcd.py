from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pythia8mc")

from overdensity.simulation import Qcd

from ..conftest import hard_process


def test_dijets_are_two_partons_without_a_resonance() -> None:
    prt = hard_process(Qcd())
    outgoing = prt[np.abs(prt.status) == 23]
    assert (np.asarray([len(event) for event in outgoing.id]) == 2).all()
    assert not Qcd().facts().decay
    assert not Qcd.signal
