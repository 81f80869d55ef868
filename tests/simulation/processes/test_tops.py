from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.simulation import ProcessKind, SingleTop, Tops, WJets, WprimeTB, ZprimeTT
from overdensity.simulation.truth import partons_of

from ..conftest import hard_process, resonance_and_daughters

pytest.importorskip("pythia8mc")


@pytest.mark.parametrize(
    ("kind", "resonance", "partons"),
    [
        (ZprimeTT(mass=3000.0), 3000.0, {5: 2, 24: 4}),
        (WprimeTB(mass=3000.0), 3000.0, {5: 2, 24: 2}),
        (Tops(), None, {5: 2, 24: 4}),
        (SingleTop(), None, {24: 2}),
        (WJets(), None, {24: 2}),
    ],
)
def test_tops_and_bosons_decay_to_quarks(
    kind: ProcessKind, resonance: float | None, partons: dict[int, int]
) -> None:
    prt = hard_process(kind, 30)
    found = partons_of(prt)
    of_bosons = np.abs(found.above_id[:, 0]) == 24
    assert np.bincount(found.event[of_bosons]).tolist() == [partons[24]] * 30
    if resonance is not None:
        mass, daughters = resonance_and_daughters(prt)
        assert np.median(mass) == pytest.approx(resonance, rel=0.01)
        assert np.median(daughters[:, 0]) == pytest.approx(172.0, rel=0.02)
        bottoms = np.abs(found.pdg_id[~of_bosons]) == 5
        assert bottoms.sum() >= partons[5] * 30 * 0.9  # the others are d and s of t → W d, s
    if kind.jet == 6:
        assert (np.abs(found.above_id[of_bosons, 1]) == 6).all()


@pytest.mark.parametrize(("kind", "name"), [(ZprimeTT, "Z'"), (WprimeTB, "W'")])
def test_resonances_lighter_than_their_tops_are_refused(kind: type, name: str) -> None:
    with pytest.raises(InputError, match=f"a {name} of 150 GeV cannot decay to t of 171 GeV and"):
        kind(mass=150.0)
