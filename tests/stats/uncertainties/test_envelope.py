"""The choice of the function costs what it must, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import FitModel, log_edges
from overdensity.stats.uncertainties.envelope import function_envelope, function_profile
from overdensity.stats.workspaces.categories import categories

EDGES = log_edges(2632, 6000, 24)
CENTER = np.sqrt(EDGES[1:] * EDGES[:-1])
WINDOWS = [(EDGES[6], EDGES[10]), (EDGES[12], EDGES[16])]
PEAK = 300 * np.exp(-(((CENTER - 3500) / 140) ** 2) / 2)


def mean(n=20_000.0, bend=0.0):
    y = CENTER / 13e3
    shape = (1 - y) ** 8 / y ** (5 + bend * np.log(y)) * np.diff(EDGES)
    return n * shape / shape.sum()


def test_one_function_adds_nothing() -> None:
    found = function_envelope(
        EDGES, np.round(mean()), WINDOWS, function="dijet4", others=["dijet4"]
    )
    assert found.functions == ("dijet4",)
    assert found.fraction == (0.0, 0.0)


def test_functions_that_both_describe_the_data_add_their_difference() -> None:
    rng = np.random.default_rng(4)
    found = [
        function_envelope(EDGES, rng.poisson(mean()), WINDOWS, function="dijet3", others=["dijet5"])
        for _ in range(20)
    ]
    fraction = np.array([each.fraction for each in found])
    error = np.array([np.array(each.expected_error)[0] for each in found])
    expected = np.array([np.array(each.expected)[0] for each in found])
    assert (fraction > 0).mean() > 0.5
    # It is of the order of the error of the fit, and no more than some times that.
    assert np.all(fraction * expected < 4 * error)


def test_a_function_that_does_not_describe_the_data_does_not_count() -> None:
    counts = np.round(mean(3e6, bend=1.5))
    good = function_envelope(EDGES, counts, WINDOWS, function="dijet5", others=["dijet3"])
    bad = function_envelope(EDGES, counts, WINDOWS, function="dijet3", others=["dijet5"])
    assert good.penalised[1][0] > good.penalised[0][0] + 5
    assert good.fraction[0] == 0
    assert bad.fraction[0] > 0


@pytest.mark.parametrize("n_signal", [0.0, 1.0])
def test_profiling_over_functions_takes_significance_and_gives_none(n_signal: float) -> None:
    counts = np.random.default_rng(7).poisson(mean() + n_signal * PEAK)
    models = {
        name: categories(EDGES, counts, None, signal=PEAK, model=FitModel(name))
        for name in ("dijet3", "dijet4", "dijet5")
    }
    strengths = np.linspace(0, 3, 31)
    alone = [function_profile({name: model}, strengths) for name, model in models.items()]
    found = function_profile(models, strengths)
    assert found.z <= max(each.z for each in alone) + 1e-6
    assert found.high - found.low >= min(each.high - each.low for each in alone) - 1e-6
    assert found.low <= (1.0 if n_signal else 0.5)
    assert min(found.envelope) == 0
    if n_signal:
        assert found.z > 3
        assert found.low < 1 < found.high + 0.3


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="at least three strengths from 0"):
        function_profile({}, [0, 1, 2])
