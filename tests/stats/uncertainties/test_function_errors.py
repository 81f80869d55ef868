from __future__ import annotations

import numpy as np

from overdensity.stats import log_edges
from overdensity.stats.uncertainties.bias import function_bias
from overdensity.stats.uncertainties.envelope import function_envelope
from overdensity.stats.uncertainties.function_errors import function_fractions

EDGES = log_edges(2632.0, 6000.0, 16)
COUNTS = np.round(20_000 * 0.65 ** np.arange(16))
WINDOWS = [(EDGES[i], EDGES[i + 3]) for i in (3, 8)]


def test_envelope_and_bias_have_their_names() -> None:
    names = {"function": "dijet3", "others": ("ua2",)}
    found = function_fractions(EDGES, COUNTS, WINDOWS, **names)
    envelope = function_envelope(EDGES, COUNTS, WINDOWS, **names).fraction
    bias = function_bias(EDGES, COUNTS, WINDOWS, **names).fraction
    assert found["background_function"].tolist() == list(envelope)
    assert ("function_bias" in found) == any(bias)


def test_no_other_function_is_no_uncertainty() -> None:
    assert function_fractions(EDGES, COUNTS, WINDOWS, function="dijet3", others=()) == {}
