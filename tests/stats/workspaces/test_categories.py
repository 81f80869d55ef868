"""The likelihood of all bins finds what was put in, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import FitError, InputError
from overdensity.stats import fit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.workspaces.categories import Variation, categories

from .whole_range import EDGES, MODEL, both_signals, known, peak, thrown


def test_an_unselected_spectrum_is_the_fit_of_signal_and_background() -> None:
    _, failing = thrown()
    found = discovery(categories(EDGES, failing, None, signal=peak(events=400.0), model=MODEL))
    same = fit(EDGES, failing, signal=peak(events=400.0), function="dijet3")
    assert same.strength is not None
    assert same.z is not None
    assert found.mu == pytest.approx(max(same.strength, 0.0), abs=1e-3)
    assert found.z == pytest.approx(max(same.z, 0.0), abs=1e-3)


@pytest.mark.parametrize("n_signal", [0.0, 60.0])
def test_the_strength_is_that_of_the_signal(n_signal: float) -> None:
    found = []
    for seed in range(40):
        passing, failing = thrown(seed, n_signal=n_signal)
        best = categories(EDGES, passing, failing, signal=peak(), model=MODEL).best
        found.append(best[0])
    mean, error = np.mean(found), np.std(found) / np.sqrt(40)
    # Without signal, the strength is that of the fluctuations upwards.
    assert abs(mean - 1) < 3 * error if n_signal else mean < 0.25


def test_a_signal_that_passes_and_fails_is_one_signal() -> None:
    alone, together = known(), known(simulated=True)
    assert "signal_failing" in alone.names
    assert "signal_failing" not in together.names
    # The same strength in the events that fail, of which there are many and no peak: it is less.
    assert together.best[0] < alone.best[0]


def test_fabricated_signal_takes_significance() -> None:
    passing, failing = thrown()
    z = [
        discovery(
            categories(EDGES, passing, failing, signal=peak(), fabricated={"x": size}, model=MODEL)
        ).z
        for size in (0.0, 8.0, 30.0)
    ]
    assert z[0] > 1.1 * z[1] > 1.2 * z[2]


def test_the_efficiency_may_not_follow_a_peak() -> None:
    passing, failing = thrown()
    found = categories(EDGES, passing, failing, signal=peak(), model=MODEL)
    log_ratio = np.log(np.divide(*found.background(found.best[None])[0]))
    x = np.log(np.sqrt(EDGES[1:] * EDGES[:-1]))
    rest = log_ratio - np.polyval(np.polyfit(x, log_ratio, 2), x)
    assert np.abs(rest).max() < 1e-3


def test_bad_input_is_one_sentence() -> None:
    passing, failing = thrown()
    signal = both_signals()["signal"]
    with pytest.raises(InputError, match="16 bins and 2 categories"):
        categories(EDGES, passing, failing, signal=np.ones(3))
    with pytest.raises(InputError, match="somewhere among the events that pass"):
        categories(EDGES, passing, failing, signal=np.zeros(16))
    bad, same = ({"jes": Variation(each, each)} for each in (signal[:1], signal))
    with pytest.raises(InputError, match="varied by 'jes'"):
        categories(EDGES, passing, failing, signal=signal, variations=bad)
    with pytest.raises(InputError, match="named 'jes'"):
        categories(EDGES, passing, failing, signal=signal, variations=same, fabricated={"jes": 1.0})
    with pytest.raises(FitError, match="widen the range"):
        categories(EDGES, passing, np.eye(16)[0] * 50, signal=peak())
