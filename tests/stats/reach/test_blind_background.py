from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from overdensity.core import FitError
from overdensity.stats import FitModel, log_edges, spectrum_of
from overdensity.stats.reach.blind_background import blind_background
from overdensity.stats.search.scanning import scan
from overdensity.stats.selection.patterns import count_patterns

MODEL, EFFICIENCIES = FitModel("dijet3"), (1.0, 0.1, 0.02)


@pytest.fixture(scope="module")
def spectrum(box: Callable) -> tuple:
    made = box(1, 20_000)
    return made, np.asarray(spectrum_of(made.mass, made.edges).counts, dtype=float)


def test_what_is_inside_the_signal_region_changes_no_digit(spectrum: tuple) -> None:
    made, counts = spectrum
    inside = (made.edges[:-1] >= made.windows[4, 0]) & (made.edges[1:] <= made.windows[4, 1])
    seen, other, empty = (
        blind_background(made.edges, each, made.windows, 4, EFFICIENCIES, model=MODEL)
        for each in (counts, np.where(inside, 7 * counts + 3, counts), np.where(inside, 0, counts))
    )
    for changed in (other, empty):
        assert np.array_equal(seen.expected, changed.expected)
        assert np.array_equal(seen.problem.precision, changed.problem.precision)
        assert np.array_equal(seen.problem.start, changed.problem.start)
        assert np.array_equal(seen.fits().error, changed.fits().error)
    assert np.array_equal(seen.masked, inside)
    assert seen.expected[inside].sum() == pytest.approx(counts[inside].sum(), rel=0.1)


def test_background_before_selection_is_that_of_the_search(spectrum: tuple) -> None:
    made, counts = spectrum
    patterns = count_patterns(made.mass, np.zeros((made.mass.size, 10), int), made.edges)
    fits = scan(patterns, made.windows, (0.1,), model=MODEL).fits
    for window in (0, 4, 9):
        seen = blind_background(made.edges, counts, made.windows, window, (0.1,), model=MODEL)
        found = seen.fits()
        assert found.expected[0, 0] == pytest.approx(fits.expected[0, 2 * window], rel=1e-6)
        assert found.error[0, 0] == pytest.approx(fits.error[0, 2 * window], rel=0.02)
        assert found.expected[0, 1] == pytest.approx(found.expected[0, 0] / 10, rel=1e-6)


def test_errors_after_selection_are_those_of_searches(box: Callable) -> None:
    """Searches of calibrated scores measure how little these bend; the blind one expects as much."""
    made = [box(seed, 20_000) for seed in range(6)]
    errors = []
    for each in made:
        patterns = count_patterns(each.mass, each.levels, each.edges)
        found = scan(patterns, each.windows, each.efficiencies, model=MODEL)
        errors.append(found.fits.error[0].reshape(10, 4)[4])
    counts = spectrum_of(made[0].mass, made[0].edges).counts
    seen = blind_background(
        made[0].edges, counts, made[0].windows, 4, made[0].efficiencies, model=MODEL
    )
    assert seen.fits().error[0] == pytest.approx(np.median(errors, axis=0), rel=0.15)


def test_the_bend_of_a_score_that_knows_no_window_is_known_less_well(spectrum: tuple) -> None:
    made, counts = spectrum
    levels = np.repeat(made.levels[:, :1], 10, axis=1)
    patterns = count_patterns(made.mass, levels, made.edges)
    searched = scan(patterns, made.windows, made.efficiencies, model=MODEL).fits.error[0]
    own, one = (
        blind_background(
            made.edges,
            counts,
            made.windows,
            4,
            made.efficiencies,
            model=MODEL,
            windowed=windowed,
        )
        .fits()
        .error[0]
        for windowed in (True, False)
    )
    assert (one[1:] > own[1:]).all()
    assert (one[2:] > 1.2 * own[2:]).all()
    assert one == pytest.approx(searched.reshape(10, 4)[4], rel=0.35)


def test_thrown_datasets_are_nested_and_have_the_means(spectrum: tuple) -> None:
    made, counts = spectrum
    seen = blind_background(made.edges, counts, made.windows, 2, EFFICIENCIES, model=MODEL)
    thrown = seen.throw(400, np.random.default_rng(1), 2).reshape(400, 2, 3, -1)
    assert np.all(np.diff(thrown, axis=2) <= 0)
    assert np.array_equal(thrown[:, 0, 0], thrown[:, 1, 0])  # the windows share all events
    mean, error = thrown.mean(axis=0), np.sqrt(seen.spectra / 400)
    assert np.abs((mean - seen.spectra) / error).max() < 5
    assert seen.counted.all()


def test_the_prior_of_the_configuration_is_kept(spectrum: tuple) -> None:
    made, counts = spectrum
    model = FitModel("dijet3", efficiency_prior=0.5)
    seen = blind_background(made.edges, counts, made.windows, 2, (0.1,), model=model)
    assert seen.problem.precision[0, 1:].tolist() == [4.0] * 4
    assert seen.counted.tolist() == [False, True]


def test_too_few_bins_are_refused() -> None:
    edges = log_edges(2632, 6000, 16)
    counts, windows = np.zeros(16), edges[None, [3, 4]]
    counts[:4] = 100
    with pytest.raises(FitError, match="only 3 bins outside the window 3071"):
        blind_background(edges, counts, windows, 0, (0.1,), model=MODEL)
