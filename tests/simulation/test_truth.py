"""What jets come from, on events made by hand and on those of Pythia."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation import Tops
from overdensity.simulation.truth import Partons, origin_of_jets, partons_of

from .conftest import hard_process


def partons(
    *rows: tuple[int, int, float, float, float, tuple[int, ...], tuple[int, ...]],
) -> Partons:
    """Rows of event, code, pt, eta, phi, and the rows and codes of the resonances above."""
    event, code, pt, eta, phi, above, above_id = zip(*rows, strict=True)

    def padded(values: tuple, nothing: int) -> np.ndarray:
        return np.array([(*each, *[nothing] * (3 - len(each))) for each in values])

    return Partons(
        np.array(event),
        np.array(code),
        np.array(pt),
        np.array(eta),
        np.array(phi),
        padded(above, -1),
        padded(above_id, 0),
    )


TOP_AND_GLUON = partons(
    (0, 5, 200.0, 0.3, 3.1, (10,), (6,)),
    (0, 2, 300.0, 0.0, -3.1, (11, 10), (24, 6)),
    (0, -1, 300.0, -0.3, 3.1, (11, 10), (24, 6)),
    (0, 21, 800.0, 0.1, 0.0, (), ()),
    (1, 21, 900.0, 0.0, 1.0, (), ()),
)


def origin(eta: list, phi: list, radius: float) -> tuple[list, list]:
    found, prongs = origin_of_jets(TOP_AND_GLUON, np.array(eta), np.array(phi), radius)
    return found.tolist(), prongs.tolist()


def test_a_jet_is_of_the_heaviest_decay_that_it_holds_whole() -> None:
    codes, prongs = origin([[0.1, 0.0], [0.0, np.nan]], [[0.0, np.pi], [1.0, np.nan]], 0.8)
    assert codes == [[21, 6], [21, 0]]
    assert prongs == [[1, 3], [1, 0]]


def test_a_smaller_jet_holds_the_boson_or_one_quark() -> None:
    codes, prongs = origin([[-0.15, 0.3], [0.0, 0.0]], [[np.pi, 3.1], [1.0, -1.0]], 0.25)
    assert codes == [[24, 5], [21, 0]]
    assert prongs == [[2, 1], [1, 0]]


def test_a_jet_with_all_quarks_of_a_leptonic_decay_is_of_its_quark() -> None:
    bottom = partons((0, 5, 200.0, 0.0, 0.0, (10,), (6,)))  # its W has gone to leptons
    found, prongs = origin_of_jets(bottom, np.zeros((1, 1)), np.zeros((1, 1)), 0.8)
    assert (found.item(), prongs.item()) == (5, 1)


def test_partons_of_tops_know_the_resonances_above_them() -> None:
    pytest.importorskip("pythia8mc")
    found = partons_of(hard_process(Tops(), 20))
    assert np.bincount(found.event).tolist() == [6] * 20
    light = np.abs(found.above_id[:, 0]) == 24
    assert light.sum() == 80
    assert (np.abs(found.above_id[light, 1]) == 6).all()
    assert (found.above_id[light, 2] == 0).all()
    assert (np.sign(found.above_id[light, 0]) == np.sign(found.above_id[light, 1])).all()
    assert len(np.unique(found.above[light, 1])) == 40
