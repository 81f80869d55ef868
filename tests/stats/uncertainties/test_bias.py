"""A function that is right has no bias; one that cannot follow has, and both are told."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import choose_function, log_edges
from overdensity.stats.uncertainties.bias import bias_flags, bias_matrix, function_bias

EDGES = log_edges(2632, 6000, 24)
CENTER = np.sqrt(EDGES[1:] * EDGES[:-1]) / 13e3
WINDOWS = [(EDGES[6], EDGES[10]), (EDGES[12], EDGES[16])]


def spectrum(n, bend=0.0):
    """A spectrum that dijet3 cannot follow where it bends."""
    shape = (1 - CENTER) ** 8 / CENTER ** (5 + bend * np.log(CENTER)) * np.diff(EDGES)
    return n * shape / shape.sum()


def test_the_function_that_generates_fits_without_bias() -> None:
    cells = bias_matrix(
        EDGES, spectrum(1e6), functions=["dijet3", "ua2"], masses=[3500.0], injected=[0.0, 5.0],
        toys=300, seed=2,
    )  # fmt: skip
    for cell in cells:
        if cell.generates == cell.fits:
            assert abs(cell.pull) < 4 * cell.pull_error
            assert cell.width == pytest.approx(1.0, abs=0.15)
        assert cell.failed < 0.02
    assert {(cell.events, cell.injected) for cell in cells} == {
        (n, s) for n in (4e4, 1e6) for s in (0.0, 5.0)
    }


def test_a_function_with_too_few_parameters_is_biased_in_large_samples() -> None:
    found = []
    for events in (4e4, 5e6):
        options = {"masses": [3500.0], "events": [events], "injected": [0.0], "toys": 200}
        cells = bias_matrix(EDGES, spectrum(1e6, 2.0), functions=["dijet3", "dijet5"], **options)
        found += [each for each in cells if (each.generates, each.fits) == ("dijet5", "dijet3")]
    few, many = found
    assert abs(many.pull) > 1.0
    assert abs(many.pull) > 3 * abs(few.pull)


def test_a_bias_against_what_describes_the_data_is_an_uncertainty() -> None:
    counts = np.random.default_rng(1).poisson(spectrum(3e6, bend=2.0))
    wrong = function_bias(EDGES, counts, WINDOWS, function="dijet3", others=["dijet5"])
    assert wrong.others == ("dijet5",)
    assert wrong.largest > 0.2
    assert max(wrong.fraction) > 0
    right = function_bias(EDGES, counts, WINDOWS, function="dijet5", others=["dijet3", "dijet4"])
    assert right.fraction == (0.0, 0.0)
    assert "dijet3" not in right.others  # which does not describe the data


def test_a_signal_is_no_bias() -> None:
    peak = 400 * np.exp(-(((CENTER * 13e3 - 3500) / 140) ** 2) / 2)
    counts = np.random.default_rng(1).poisson(spectrum(4e4) + peak)
    found = function_bias(EDGES, counts, WINDOWS[:1], function="dijet5", others=["ua2"])
    assert found.largest < 0.2


def test_a_bias_against_what_the_spectrum_asks_for_is_a_flag_unless_it_counts() -> None:
    counts = np.random.default_rng(1).poisson(spectrum(3e6, bend=2.0))
    wanted = choose_function(EDGES, counts).function
    assert wanted in {"dijet4", "dijet5"}
    (flag,) = bias_flags(EDGES, counts, WINDOWS, function="dijet3", wanted=wanted)
    found = function_bias(EDGES, counts, WINDOWS, function="dijet3", others=[wanted])
    assert f"the F-test asks for {wanted} in place of dijet3" in flag
    assert f"{max(found.pull, key=abs):+.1f}σ of nothing" in flag
    given = {"function": "dijet3", "wanted": wanted, "counted": [wanted]}
    assert bias_flags(EDGES, counts, WINDOWS, **given) == ()
    assert bias_flags(EDGES, counts, WINDOWS, function=wanted, wanted=wanted) == ()


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="a bias matrix needs functions, masses"):
        bias_matrix(EDGES, spectrum(1e4), functions=[], masses=[3500.0])
    with pytest.raises(InputError, match="dijet5 and a signal have 6 parameters"):
        bias_matrix(EDGES[:7], spectrum(1e4)[:6], functions=["dijet5"], masses=[3000.0])
