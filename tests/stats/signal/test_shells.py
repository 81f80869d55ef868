"""The fit of shells by itself: its derivatives, and where it gives up."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import FitError
from overdensity.stats.signal import shells
from overdensity.stats.signal.shells import fit_shells

EDGES = np.linspace(1000.0, 2000.0, 9)
BEFORE = np.array([9000.0, 7000, 5200, 4100, 3200, 2400, 1900, 1500])


def peak(place: np.ndarray) -> np.ndarray:
    """One signal in the events that pass, a Gaussian in the bins at a place."""
    shape = np.exp(-((np.arange(8) - place[0]) ** 2) / 2)
    return np.stack([0.0 * shape, shape])[None]


def test_signal_and_its_place_are_found_as_they_were_put_in() -> None:
    kept = 0.1 * np.exp(np.linspace(-0.2, 0.2, 8))
    counts = np.stack([BEFORE * (1 - kept), BEFORE * kept + 200 * peak(np.array([3.3]))[0, 1]])
    found = fit_shells(EDGES, counts, peak, place=[3.0], limits=[[2.0, 5.0]], function="dijet4")
    assert found.number == pytest.approx(200, abs=0.3 * found.error)
    assert found.place[0] == pytest.approx(3.3, abs=0.3 * np.sqrt(found.place_covariance[0, 0]))
    assert found.ndf == 16 - 4 - 3 - 1 - 1


def test_a_place_on_its_limit_has_no_error() -> None:
    counts = np.stack([BEFORE, BEFORE / 10 + 200 * peak(np.array([3.3]))[0, 1]])
    found = fit_shells(EDGES, counts, peak, place=[2.5], limits=[[2.0, 2.6]], function="dijet3")
    assert found.place.tolist() == [2.6]
    assert found.place_covariance.tolist() == [[0.0]]


def test_a_fit_that_does_not_converge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "_ROUNDS", 1)
    counts = np.stack([BEFORE, BEFORE / 10])
    with pytest.raises(FitError, match="37730 events in 2 spectra does not converge; try a func"):
        fit_shells(EDGES, counts, lambda _: peak(np.array([3.0])), function="dijet3")
