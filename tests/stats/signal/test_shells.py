"""The fit of shells by itself: its derivatives, and where it gives up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from overdensity.core import FitError
from overdensity.stats import log_edges
from overdensity.stats.signal import shells
from overdensity.stats.signal.shells import fit_shells
from overdensity.stats.spectra.binning import gaussian_fractions
from overdensity.stats.spectra.pass_fit import odds_columns

EDGES = np.linspace(1000.0, 2000.0, 9)
QUADRATIC = [[1.0, 1.0]]  # eight bins have no room for more
BEFORE = np.array([9000.0, 7000, 5200, 4100, 3200, 2400, 1900, 1500])


def peak(place: np.ndarray) -> np.ndarray:
    """One signal in the events that pass, a Gaussian in the bins at a place."""
    shape = np.exp(-((np.arange(8) - place[0]) ** 2) / 2)
    return np.stack([0.0 * shape, shape])[None]


def test_signal_and_its_place_are_found_as_they_were_put_in() -> None:
    kept = 0.1 * np.exp(np.linspace(-0.2, 0.2, 8))
    counts = np.stack([BEFORE * (1 - kept), BEFORE * kept + 200 * peak(np.array([3.3]))[0, 1]])
    options = {"function": "dijet4", "odds_widths": QUADRATIC}
    found = fit_shells(EDGES, counts, peak, place=[3.0], limits=[[2.0, 5.0]], **options)
    assert found.number == pytest.approx(200, abs=0.3 * found.error)
    assert found.place[0] == pytest.approx(3.3, abs=0.3 * np.sqrt(found.place_covariance[0, 0]))
    assert found.ndf == 16 - 4 - 3 - 1 - 1


def test_a_place_on_its_limit_has_no_error() -> None:
    counts = np.stack([BEFORE, BEFORE / 10 + 200 * peak(np.array([3.3]))[0, 1]])
    options = {"function": "dijet3", "odds_widths": QUADRATIC}
    found = fit_shells(EDGES, counts, peak, place=[2.5], limits=[[2.0, 2.6]], **options)
    assert found.place.tolist() == [2.6]
    assert found.place_covariance.tolist() == [[0.0]]


@pytest.mark.parametrize("term", [3, 4])
@pytest.mark.parametrize("widths", [None, [[0.1] * 4]])
def test_a_selection_that_bends_as_a_quartic_moves_no_signal(
    term: int, widths: list | None
) -> None:
    """A bend of 0.1 (rms of the log-odds) is 0.4 to 1.7σ where they are taken for quadratic."""
    edges = log_edges(2632, 6000, 32)
    y = np.sqrt(edges[1:] * edges[:-1]) / 13e3
    mean = (1 - y) ** 10 / y**5 * np.diff(edges)
    mean *= 1e5 / mean.sum()
    kept = expit(logit(0.01) + 0.1 * odds_columns(edges, 4)[:, term])
    signal = 0.5 * np.tile(gaussian_fractions(edges, 3500.0, 140.0), (1, 2, 1))
    counts = mean * np.stack([1 - kept, kept]) + 240 * signal[0]
    found = fit_shells(edges, counts, signal, odds_widths=widths)
    assert found.number == pytest.approx(240, abs=0.25 * found.error)
    if widths is None:
        quadratic = fit_shells(edges, counts, signal, odds_widths=QUADRATIC)
        assert abs(quadratic.number - 240) > 0.3 * quadratic.error


def test_what_a_search_has_measured_of_the_bend_makes_the_number_more_precise() -> None:
    counts = np.stack([0.9 * BEFORE, 0.1 * BEFORE])
    signal = peak(np.array([3.0]))
    errors = [
        fit_shells(EDGES, counts, signal, function="dijet3", odds_widths=widths).error
        for widths in ([[0.01] * 4], [[0.05] * 4], None)
    ]
    assert errors[0] < 0.97 * errors[1] < 0.97 * errors[2]


def test_a_fit_that_does_not_converge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "_ROUNDS", 1)
    counts = np.stack([BEFORE, BEFORE / 10])
    with pytest.raises(FitError, match="37730 events in 2 spectra does not converge; try a func"):
        fit_shells(EDGES, counts, peak(np.array([3.0])), function="dijet3")
