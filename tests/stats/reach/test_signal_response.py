from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats.reach.signal_response import (
    SignalResponse,
    gaussian_response,
    signal_efficiencies,
)


def test_trainings_are_interpolated_one_by_one() -> None:
    fractions = np.zeros((3, 2, 2, 1))
    fractions[:, 0, 1, 0], fractions[:, 1, 1, 0] = (0.1, 0.3, 0.5), (0.1, 0.2, 0.2)
    response = SignalResponse(np.array([0.0, 10.0, 30.0]), fractions)
    assert response.trained
    assert response.at(20.0)[:, 1, 0] == pytest.approx([0.4, 0.2])
    assert response.at(10.0)[:, 1, 0] == pytest.approx([0.3, 0.2])
    assert response.at(99.0)[:, 1, 0] == pytest.approx([0.5, 0.2])


def test_a_gaussian_is_the_same_at_all_strengths() -> None:
    response = gaussian_response(np.linspace(2000, 4000, 41), 3000.0, 0.03, [0.5, 0.2])
    assert not response.trained
    assert np.array_equal(response.at(0.0), response.at(1000.0))
    assert response.at(1.0).sum(axis=2) == pytest.approx(np.array([[1.0, 0.5, 0.2]]))


@pytest.mark.parametrize(
    ("strengths", "fractions", "complaint"),
    [
        ([0.0, 1.0], np.zeros((1, 1, 1, 1)), "are no response to a signal"),
        ([1.0], np.zeros((1, 1, 1, 1)), "must increase from 0"),
        ([0.0], np.full((1, 1, 1, 1), 1.5), "between 0 and 1"),
    ],
)
def test_what_is_no_response_is_refused(strengths: list, fractions, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        SignalResponse(np.array(strengths), fractions)


@pytest.mark.parametrize(
    ("curve", "complaint"),
    [
        (
            {0.1: 0.5, 0.01: 0.0},
            "at the background efficiency 0.01 is 0: a selection that keeps no",
        ),
        ({0.1: 0.2, 0.01: 0.4}, "falls from 0.4 to 0.2 where the background efficiency rises"),
        ({0.1: 0.5}, "no signal efficiency is given for the selection 0.01"),
    ],
)
def test_a_curve_that_cannot_be_read_is_one_sentence(curve: dict, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        signal_efficiencies(curve, [0.1, 0.01])
    assert "\n" not in str(caught.value)


def test_a_curve_holds_at_its_points() -> None:
    assert signal_efficiencies({0.1: 0.5, 0.001: 0.1}, [0.1, 0.001]) == pytest.approx([0.5, 0.1])
