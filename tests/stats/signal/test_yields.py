from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from overdensity.core import FitError, InputError
from overdensity.stats import log_edges
from overdensity.stats.signal.peak_template import peak_template
from overdensity.stats.signal.yields import (
    NumberOfEvents,
    passing_failing_yield,
    sample_template,
    simulated_yield,
    unselected_yield,
)
from overdensity.stats.spectra.functions import SQRT_S

EDGES = log_edges(2632.0, 6000.0, 32)
CUTS = (1.0, 0.1, 0.01)
MASS, WIDTH, SEPARATION, EVENTS = 3490.0, 118.0, 2.0, 100_000
PEAK = peak_template(EDGES, MASS, WIDTH)
SHARES = np.array([1.0, *ndtr(ndtri(CUTS[1:]) + SEPARATION)])
SELECTED = peak_template(EDGES, MASS, WIDTH, tail=1.2)
TEMPLATES = np.stack(  # a tight selection takes the tails
    [(1 - SHARES[1]) * PEAK, SHARES[1] * PEAK - SHARES[2] * SELECTED, SHARES[2] * SELECTED]
)


def background() -> np.ndarray:
    """Events a bin of (1-y)^6 / y^5."""
    grid = np.geomspace(EDGES[0], EDGES[-1], 3201)
    y = (grid[1:] + grid[:-1]) / 2 / SQRT_S
    fine = (1 - y) ** 6 / y**5 * np.diff(grid)
    return EVENTS * fine.reshape(32, 100).sum(axis=1) / fine.sum()


def shells(seed: int, signal: float) -> np.ndarray:
    """Events between the selections of a search, whose score knows a signal with tails."""
    mean = np.outer(-np.diff([*CUTS, 0.0]), background()) + signal * TEMPLATES
    return np.random.default_rng([seed, int(signal)]).poisson(mean)


def by_passing(counts: np.ndarray) -> NumberOfEvents:
    found = passing_failing_yield(
        EDGES,
        [counts[:-1].sum(axis=0), counts[-1]],
        mass=3550.0,
        width=150.0,
        low=3250.0,
        high=3780.0,
        function="dijet4",
    )
    return found.number


WAYS = {
    "unselected": lambda counts: unselected_yield(
        EDGES, counts.sum(axis=0), PEAK, function="dijet4"
    ),
    "simulated": lambda counts: simulated_yield(EDGES, counts, TEMPLATES, function="dijet4"),
    "passing and failing": by_passing,
}


def pulls(way: str, signal: float, number: int) -> np.ndarray:
    found = [WAYS[way](shells(seed, signal)) for seed in range(number)]
    return np.array([(each.value - signal) / each.error for each in found])


def assert_standard(found: np.ndarray) -> None:
    n = found.size
    assert abs(found.mean()) < 3 / np.sqrt(n)
    assert abs(found.std() - 1) < 3.5 / np.sqrt(2 * n)


@pytest.mark.parametrize("signal", [0.0, 240.0, 1000.0])
@pytest.mark.parametrize("way", ["unselected", "simulated"])
def test_numbers_of_events_have_standard_pulls(way: str, signal: float) -> None:
    assert_standard(pulls(way, signal, 100))


@pytest.mark.parametrize("signal", [240.0, 1000.0])
def test_passing_and_failing_have_the_number_within_their_errors(signal: float) -> None:
    assert abs(pulls("passing and failing", signal, 12)).max() < 3.5


@pytest.mark.parametrize("width", [0.03, 0.08, 0.12])
def test_a_broad_peak_has_all_its_events(width: float) -> None:
    """Spectra without fluctuations; with 8 % as the limit of all widths 1200 ± 600 at 12 %."""
    signal, passing = 3000.0, SHARES[-1]
    whole, selected = (peak_template(EDGES, MASS, width * MASS, tail=tail) for tail in (0.77, 1.2))
    passed = 0.01 * background() + signal * passing * selected
    failed = 0.99 * background() + signal * (whole - passing * selected)
    peak = passing_failing_yield(
        EDGES,
        [failed, passed],
        mass=MASS + 50,
        width=1.05 * width * MASS,
        low=3250.0,
        high=3780.0,
        function="dijet4",
    )
    assert peak.number.value == pytest.approx(signal, rel=0.1)
    assert abs(peak.number.value - signal) < 0.5 * peak.number.error
    assert peak.width == pytest.approx(width * MASS, rel=0.05)
    assert peak.mass == pytest.approx(MASS, rel=0.01)


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("signal", [240.0, 1000.0])
def test_passing_and_failing_have_standard_pulls(signal: float) -> None:
    assert_standard(pulls("passing and failing", signal, 100))


def test_a_peak_without_its_tails_counts_too_few() -> None:
    """Why the tails are there: the Gaussian core of the same peak is three quarters of it."""
    counts = 20 * background() + 20_000 * PEAK
    core = unselected_yield(EDGES, counts, peak_template(EDGES, MASS, WIDTH, tail=9.0))
    whole = unselected_yield(EDGES, counts, PEAK)
    assert core.value < 0.85 * whole.value
    assert whole.value == pytest.approx(20_000, abs=3 * whole.error)


def test_simulation_knows_more_than_the_unselected_spectrum() -> None:
    counts = shells(1, 240.0)
    known, alone = WAYS["simulated"](counts), WAYS["unselected"](counts)
    assert known.error < 0.4 * alone.error
    assert known.ndf == 3 * 32 - 4 - 2 * 5 - 1
    assert known.chi2 < 2 * known.ndf


def test_number_of_events_agrees_with_a_fit_by_minuit() -> None:
    from overdensity.stats import fit

    counts = shells(3, 1000.0).sum(axis=0)
    found = unselected_yield(EDGES, counts, PEAK, function="dijet4")
    minuit = fit(EDGES, counts, signal=PEAK, function="dijet4")
    assert minuit.strength is not None
    assert found.value == pytest.approx(minuit.strength, abs=0.02 * found.error)
    assert found.error == pytest.approx(minuit.strength_error, rel=0.05)


def test_templates_are_fractions_of_all_events() -> None:
    mass = np.random.default_rng(2).normal(2632.0, 100.0, 100_000)
    inside = sample_template(EDGES, mass, np.full(mass.size, 0.5)).sum()
    assert inside == pytest.approx(0.25, abs=0.005)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(FitError, match="no selection keeps any"):
        simulated_yield(EDGES, shells(1, 0.0), np.zeros((3, 32)))
    with pytest.raises(InputError, match="two spectra are needed, not 3"):
        passing_failing_yield(
            EDGES, shells(1, 0.0), mass=MASS, width=WIDTH, low=3250.0, high=3780.0
        )
