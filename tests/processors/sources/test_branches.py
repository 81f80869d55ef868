"""Branches as flat arrays."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors.sources.branches import (
    ObjectBranches,
    Quantity,
    integers,
    joined,
    per_event,
    spelled,
)


def jets(**more: Any) -> dict[str, ak.Array]:
    return {
        "pt": ak.Array([[40.0, 0.0, 30.0], [], [20.0]]),
        "eta": ak.Array([[0.0, 0.1, 0.2], [], [0.3]]),
        "phi": ak.Array([[1.0, 1.1, 1.2], [], [1.3]]),
        **more,
    }


def test_padding_is_left_out() -> None:
    flat, counts = ObjectBranches("pt", "eta", "phi").flat(jets())
    assert flat["pt"].tolist() == [40.0, 30.0, 20.0]
    assert flat["mass"].tolist() == [0.0, 0.0, 0.0]
    assert counts.tolist() == [2, 0, 1]


def test_energy_in_mev_becomes_mass_in_gev() -> None:
    energy = ak.Array([[50.0, 1.0, 40.0], [], [30.0]])
    flat, _ = ObjectBranches("pt", "eta", "phi", energy="e", unit=1e-3).flat(jets(e=energy))
    expected = np.sqrt(50.0**2 - 40.0**2) / 1000  # at eta = 0
    assert flat["mass"][0] == pytest.approx(expected)


def test_a_constant_mass_is_in_gev_whatever_the_unit_of_the_file() -> None:
    flat, _ = ObjectBranches("pt", "eta", "phi", mass=("m", 0.1), unit=1e-3).flat(jets())
    assert flat["mass"].tolist() == [0.1, 0.1, 0.1]
    assert flat["pt"][0] == pytest.approx(0.04)


def test_weights_scale_momenta_and_remove_what_has_none() -> None:
    weight = ak.Array([[0.5, 1.0, 0.0], [], [1.0]])
    flat, counts = ObjectBranches("pt", "eta", "phi", weight="w").flat(jets(w=weight))
    assert flat["pt"].tolist() == [20.0, 20.0]
    assert counts.tolist() == [1, 0, 1]


def test_several_conditions_must_all_hold_and_several_numbers_are_added() -> None:
    extras = {
        "identified": (Quantity("a", at_least=1), Quantity("b", at_most=1)),
        "isolation": (Quantity("a", over_pt=True), Quantity("b", over_pt=True)),
        "charge": 0.0,
        "n": Quantity("not there"),
    }
    a, b = ak.Array([[1, 1, 0], [], [2]]), ak.Array([[1, 1, 1], [], [2]])
    flat, _ = ObjectBranches("pt", "eta", "phi", extras=extras).flat(jets(a=a, b=b))
    assert flat["identified"].tolist() == [True, False, False]
    np.testing.assert_allclose(flat["isolation"], [2 / 40, 1 / 30, 4 / 20])
    assert (flat["charge"].dtype, flat["isolation"].dtype) == (np.int8, np.float64)
    assert "n" not in flat


def test_lists_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="m has 1 numbers for the 4 objects of pt"):
        ObjectBranches("pt", "eta", "phi", mass="m").flat(jets(m=ak.Array([[1.0], [], []])))


def test_bits_of_a_number_are_compared() -> None:
    quality = Quantity("quality", mask=7, at_most=1)
    assert quality.of(np.array([8, 9, 10]), np.ones(3)).tolist() == [True, True, False]


def test_the_first_spelling_that_is_there_is_read() -> None:
    assert spelled(("new", "old"), {"old", "new"}) == "new"
    assert spelled(("new", "old"), {"old"}) == "old"
    assert spelled(("new", "old"), set()) is None


def test_lists_are_put_one_after_the_other_in_each_event() -> None:
    one = {x: np.array([1.0, 2.0]) for x in ("pt", "eta", "phi", "mass", "charge")}
    two = {x: np.array([3.0]) for x in ("pt", "eta", "phi", "mass")}
    events = joined([(one, np.array([1, 1])), (two, np.array([1, 0]))])
    assert events.pt.to_list() == [[1.0, 3.0], [2.0]]
    assert "charge" not in events.fields


def test_weights_of_data_that_are_empty_lists_are_none() -> None:
    weight = Quantity("w", index=0, scale=2.0)
    assert per_event(weight, {"w": ak.Array([[1.0, 5.0], [3.0]])}).tolist() == [2.0, 6.0]
    assert per_event(weight, {"w": ak.Array([[], []])}) is None
    assert per_event(weight, {}) is None


def test_numbers_become_unsigned() -> None:
    assert integers(ak.Array([1, 2]), "n").dtype == np.uint64


def test_masked_numbers_are_none():
    """What lies below a mask, 0 or -1, was taken for the number."""
    branches = {
        "pt": ak.Array([[40.0, None], [30.0]]),
        "w": ak.mask(ak.Array([2.0, 3.0]), [True, False]),
        "n": ak.mask(ak.Array([2, 3]), [True, False]),
        "none": ak.Array([[1.0], None]),
    }
    objects = ObjectBranches("pt", eta=0.0, phi=0.0, mass=0.0)
    flat, counts = objects.flat(branches)
    np.testing.assert_array_equal(flat["pt"], [40, np.nan, 30])
    assert counts.tolist() == [2, 1]
    np.testing.assert_array_equal(per_event(Quantity("w"), branches), [2, np.nan])
    with pytest.raises(
        InputError, match="column 'n': 1 of 2 values, the first nan, are not a whole"
    ):
        integers(branches["n"], "n")
    with pytest.raises(InputError, match=r"none is missing \(masked\) in 1 of 2 events"):
        ObjectBranches("none", eta=0.0, phi=0.0, mass=0.0).flat(branches)
