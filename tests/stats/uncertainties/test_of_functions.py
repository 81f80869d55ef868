"""What other functions say, as nuisances by name."""

from __future__ import annotations

import numpy as np

from overdensity.stats import log_edges
from overdensity.stats.uncertainties.bias import function_bias
from overdensity.stats.uncertainties.envelope import function_envelope
from overdensity.stats.uncertainties.of_functions import FunctionNuisances, function_nuisances

EDGES = log_edges(2632, 6000, 24)
WINDOWS = [(EDGES[6], EDGES[10]), (EDGES[12], EDGES[16])]


def spectrum(n: float, bend: float) -> np.ndarray:
    """Return a spectrum that dijet3 cannot follow where it bends."""
    y = np.sqrt(EDGES[1:] * EDGES[:-1]) / 13e3
    shape = (1 - y) ** 8 / y ** (5 + bend * np.log(y)) * np.diff(EDGES)
    return np.random.default_rng(1).poisson(n * shape / shape.sum())


def test_envelope_and_bias_are_nuisances_of_their_own() -> None:
    given = {"function": "dijet3", "others": ["dijet5"]}
    found = function_nuisances(EDGES, spectrum(3e6, 2.0), WINDOWS, **given)
    assert found.envelope == function_envelope(EDGES, spectrum(3e6, 2.0), WINDOWS, **given)
    assert found.bias == function_bias(EDGES, spectrum(3e6, 2.0), WINDOWS, **given)
    assert list(found.fractions) == ["background_function", "function_bias"]
    assert FunctionNuisances.from_dict(found.to_dict()) == found


def test_a_function_that_is_right_has_no_bias_among_its_nuisances() -> None:
    found = function_nuisances(
        EDGES, spectrum(2e4, 0.0), WINDOWS, function="dijet4", others=["dijet3"]
    )
    assert list(found.fractions) == ["background_function"]
