from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from overdensity.core import FitError, InputError
from overdensity.stats import FitModel, log_edges
from overdensity.stats.search.yields import (
    binormal_yield,
    combined_yield,
    gaussian_template,
    nested_shells,
    sample_template,
    spectrum_yields,
)
from overdensity.stats.spectra.functions import SQRT_S

EDGES = log_edges(2632.0, 6000.0, 32)
CUTS = (1.0, 0.1, 0.01, 0.002)
MASS, WIDTH = 3823.0, 130.0


def background(n: float) -> np.ndarray:
    """Events a bin of (1-y)^6 / y^5."""
    grid = np.geomspace(EDGES[0], EDGES[-1], 3201)
    y = (grid[1:] + grid[:-1]) / 2 / SQRT_S
    fine = (1 - y) ** 6 / y**5 * np.diff(grid)
    return n * fine.reshape(32, 100).sum(axis=1) / fine.sum()


def nested(rng: np.random.Generator, n: float, signal: float, separation: float) -> np.ndarray:
    """Spectra of a search with a binormal score."""
    shape = gaussian_template(EDGES, MASS, WIDTH)
    shares = np.array([1.0, *ndtr(ndtri(CUTS[1:]) + separation)])
    mean = np.outer(nested_shells(np.array(CUTS)[:, None])[:, 0], background(n))
    mean += np.outer(nested_shells(shares[:, None])[:, 0], signal * shape)
    shells = rng.poisson(mean)
    return np.cumsum(shells[::-1], axis=0)[::-1]


def fitted(counts: np.ndarray, **options) -> tuple[np.ndarray, np.ndarray]:
    shells = nested_shells(counts)
    fractions = shells.sum(axis=1) / shells.sum()
    template = gaussian_template(EDGES, MASS, WIDTH)
    # the first spectrum is the unselected one, which the others lean on
    s, error = spectrum_yields(
        EDGES,
        np.vstack([counts[:1], shells]),
        (1.0, *fractions),
        template,
        model=FitModel("dijet4"),
    )
    return s[1:], error[1:]


def test_shells_share_no_event() -> None:
    counts = nested(np.random.default_rng(1), 20_000, 100, 2.0)
    shells = nested_shells(counts)
    assert np.array_equal(shells.sum(axis=0), counts[0])
    assert np.array_equal(shells[-1], counts[-1])
    assert (shells >= 0).all()


def test_templates_are_fractions_of_all_events() -> None:
    peak = gaussian_template(EDGES, MASS, WIDTH)
    assert peak.sum() == pytest.approx(1.0)
    mass = np.random.default_rng(2).normal(2632.0, 100.0, 100_000)
    assert sample_template(EDGES, mass, np.full(mass.size, 0.5)).sum() == pytest.approx(
        0.25, abs=0.005
    )
    with pytest.raises(InputError, match="positive mass and width"):
        gaussian_template(EDGES, MASS, 0.0)


def test_number_of_events_agrees_with_a_fit_by_minuit() -> None:
    from overdensity.stats import fit

    counts = nested(np.random.default_rng(3), 30_000, 300, 2.0)[:1]
    peak = gaussian_template(EDGES, MASS, WIDTH)
    (s,), (error,) = spectrum_yields(EDGES, counts, (1.0,), peak, model=FitModel("dijet4"))
    minuit = fit(EDGES, counts[0], signal=peak, function="dijet4")
    assert minuit.strength is not None
    assert s == pytest.approx(minuit.strength, abs=0.02 * error)
    assert error == pytest.approx(minuit.strength_error, rel=0.05)


def toys(number: int, *, n: float, signal: float, separation: float):
    inclusive, joint = [], []
    for seed in range(number):
        counts = nested(np.random.default_rng(seed), n, signal, separation)
        template = gaussian_template(EDGES, MASS, WIDTH)
        (whole,), (whole_error,) = spectrum_yields(
            EDGES, counts[:1], (1.0,), template, model=FitModel("dijet4")
        )
        inclusive.append((whole - signal) / whole_error)
        found = binormal_yield(*fitted(counts), CUTS)
        joint.append([(found.value - signal) / found.error, found.error, found.chi2])
    return np.array(inclusive), np.array(joint)


def test_numbers_of_events_have_standard_pulls() -> None:
    inclusive, joint = toys(40, n=30_000, signal=300, separation=2.0)
    for pull in (inclusive, joint[:, 0]):
        assert abs(pull.mean()) < 3.5 / np.sqrt(40)
        assert 0.7 < pull.std() < 1.35


@pytest.mark.slow
def test_intervals_cover() -> None:
    inclusive, joint = toys(200, n=30_000, signal=300, separation=2.0)
    for pull in (inclusive, joint[:, 0]):
        assert abs(pull.mean()) < 4 / np.sqrt(200)
        for reach, coverage in ((1.0, 0.683), (2.0, 0.954)):
            inside = np.mean(np.abs(pull) < reach)
            assert abs(inside - coverage) < 3.5 * np.sqrt(coverage * (1 - coverage) / 200)


def test_selections_together_know_more_than_the_unselected_spectrum() -> None:
    counts = nested(np.random.default_rng(5), 300_000, 834, 2.5)
    s, error = fitted(counts)
    found = binormal_yield(s, error, CUTS)
    (_,), (alone,) = spectrum_yields(
        EDGES, counts[:1], (1.0,), gaussian_template(EDGES, MASS, WIDTH), model=FitModel("dijet4")
    )
    assert found.value == pytest.approx(834, abs=4 * found.error)
    assert found.error < 0.7 * alone
    assert found.separation == pytest.approx(2.5, abs=0.5)
    assert found.ndf == 2
    assert found.chi2 < 15


def test_known_efficiencies_give_the_number_before_selection() -> None:
    pulls = []
    shares = nested_shells(np.array([1.0, *ndtr(ndtri(CUTS[1:]) + 2.0)])[:, None])[:, 0]
    for seed in range(40):
        counts = nested(np.random.default_rng(100 + seed), 30_000, 300, 2.0)
        found = combined_yield(*fitted(counts), shares)
        pulls.append((found.value - 300) / found.error)
    assert abs(np.mean(pulls)) < 3.5 / np.sqrt(40)
    assert 0.7 < np.std(pulls) < 1.35


def test_without_signal_the_selections_tell_nothing_of_the_separation() -> None:
    with pytest.raises(FitError, match="do not tell"):
        binormal_yield([-20.0, -5.0, -2.0, -1.0], [50.0, 20.0, 5.0, 2.0], CUTS)
    with pytest.raises(FitError, match="no selection keeps"):
        combined_yield([1.0], [1.0], [0.0])
    with pytest.raises(InputError, match="start with 1"):
        binormal_yield([1.0, 1.0], [1.0, 1.0], (0.1, 0.01))
