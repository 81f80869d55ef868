"""How far selections bend the spectrum, measured on the scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.stats import FitModel, count_patterns, subdivide
from overdensity.stats.p_values.local import z_of_p
from overdensity.stats.search.odds_prior import measured_precision
from overdensity.stats.search.scan_fits import fit_scan
from overdensity.stats.search.scanning import scan

FREE = FitModel(efficiency_prior=1.0)
STEPS = np.array([0.1, 0.01, 0.002])


def wide_scan(made, windows=slice(None)):
    patterns = count_patterns(made.mass, made.levels[:, windows], subdivide(made.edges, 2))
    return scan(patterns, made.windows[windows], made.efficiencies, model=FREE), patterns


def widths(fits, patterns):
    return measured_precision(fits.problem, fits.counts, STEPS, patterns) ** -0.5


@pytest.fixture(scope="module")
def plain(box):
    return wide_scan(box(31))


def test_scores_that_know_nothing_of_the_mass_leave_little_freedom(plain):
    found = widths(*plain)
    assert np.all(found[:, 1:] < 0.2)
    assert np.all(found[0, 1:] < 0.06)
    assert np.all(np.diff(found[:, 1]) >= 0)  # a tail moves farther with a shift than the bulk
    np.testing.assert_allclose(found[:, 0], 10.0)


def test_it_never_falls_below_what_the_data_can_tell(plain):
    """A curvature that happens to be measured as zero is known to its error only."""
    fits, patterns = plain
    counts = fits.counts.reshape(10, 4, -1).copy()
    counts[:, 1:] = counts[:, :1] * STEPS[:, None]
    found = widths(replace(fits, counts=counts.reshape(40, -1)), patterns)
    loosest = 1 / np.sqrt(0.1 * 0.9 * 30_000)
    assert np.all(found[0, 1:] > loosest)


def test_one_score_for_all_windows_measures_the_bend_once(box):
    """Windows that select the same events say the same; different ones add up."""
    made, edges = box(31), subdivide(box(31).edges, 2)
    same = np.repeat(made.levels[:, 3:4], len(made.windows), axis=1)
    different = np.random.default_rng(1).permuted(same, axis=0)
    of_one, of_same, of_different = (
        widths(
            scan(patterns, made.windows[:n], made.efficiencies, model=FREE),
            patterns,
        )
        for patterns, n in (
            (count_patterns(made.mass, same[:, :1], edges), 1),
            (count_patterns(made.mass, same, edges), 10),
            (count_patterns(made.mass, different, edges), 10),
        )
    )
    assert 0.8 < np.median(of_same[0, 1:] / of_one[0, 1:]) < 1.25
    assert np.median(of_different[0, 1:] / of_same[0, 1:]) < 0.8


def of_one_score(made, *, bend, n_signal=0):
    """Return what is expected of a score that knows no window: its 10 % is flat, its tail rises.

    The tail is of log-odds ``bend`` (rms over the bins); signal is in all selections of the third window.
    """
    passed = np.random.default_rng(7).random(made.mass.size)[:, None] < STEPS
    levels = np.repeat(passed.sum(axis=1)[:, None], len(made.windows), axis=1)
    patterns = count_patterns(made.mass, levels, subdivide(made.edges, 2))
    fits = scan(patterns, made.windows, made.efficiencies, model=FREE)
    slope = np.exp(bend * fits.problem.columns[:, 1])
    kept = np.stack([np.ones_like(slope), 0.1 + 0 * slope, 0.01 * slope, 0.002 * slope])
    signal = fits.problem.masked[2 * len(kept)] * n_signal / fits.problem.masked[8].sum()
    return replace(fits, counts=np.tile(fits.null[0] * kept + signal, (10, 1))), patterns


def pulls(fits, patterns):
    precision = widths(fits, patterns) ** -2
    found = fit_scan(replace(fits.problem, precision=precision), fits.counts[None])
    excess = (fits.counts * fits.problem.masked).sum(axis=1) - found.expected[0]
    return (excess / np.sqrt(found.expected[0] + found.error[0] ** 2)).reshape(10, 4)[:, 1:]


def test_the_tail_of_a_score_that_knows_no_window_is_known_to_its_error_only(box):
    """As expected with no bend at all; with one classifier a window it is bounded by the shifts."""
    one, bent = (of_one_score(box(36, 15_000), bend=bend) for bend in (0.0, 0.6))
    assert np.all(widths(*one)[0, 1:] < 0.1)
    assert np.all((widths(*one)[2, 1:] > 0.25) & (widths(*one)[2, 1:] < 0.7))
    assert np.all(widths(*bent)[1:, 1] > 0.5)
    own = box(36, 15_000)
    assert np.all(widths(*wide_scan(own))[2, 1:] < 0.2)


def test_a_tail_that_bends_is_no_excess_and_a_signal_in_it_is_one(box):
    """With a width from the shift that the 10 % shows, the last window of 0.2 % reads 0.9."""
    made = box(36, 15_000)
    assert np.all(pulls(*of_one_score(made, bend=0.4)) < 0.4)
    assert np.all(pulls(*of_one_score(made, bend=0.4, n_signal=20))[2] > [0.5, 2.5, 5.0])


def test_a_signal_is_no_bend(box):
    """The most significant region is left out, so that a signal keeps its narrow constraint."""
    made = box(35, n_signal=150)
    assert np.all(widths(*wide_scan(made))[0, 1:] < 0.08)
    free, measured = (
        scan(
            count_patterns(made.mass, made.levels, subdivide(made.edges, 2)),
            made.windows,
            made.efficiencies,
            model=model,
        ).fits.error[0, 9:12]
        for model in (FREE, FitModel())
    )
    assert np.all(measured < [0.95 * free[0], 0.9 * free[1], 0.6 * free[2]])


def test_scores_that_follow_the_mass_keep_the_freedom_they_need(box):
    found = widths(*wide_scan(box(32, sculpting=2.0)))
    assert np.all(found[:, 1] > 0.3)


def test_one_window_is_enough(plain, box):
    alone = widths(*wide_scan(box(31), slice(3, 4)))
    assert alone.shape == (3, 5)
    assert np.all(alone[:, 1:] < 0.4)


def test_no_width_exceeds_the_wide_one(box):
    found = widths(*wide_scan(box(33, 600)))
    assert np.all(found[:, 1:] <= 1.0)


def test_a_given_width_is_not_measured(box):
    made = box(34, 5000)
    patterns = count_patterns(made.mass, made.levels, subdivide(made.edges, 2))
    given = scan(patterns, made.windows, made.efficiencies, model=FitModel(efficiency_prior=0.2))
    np.testing.assert_allclose(given.problem.precision[:, 1:], 25.0)


def test_a_signal_is_more_significant_than_by_five_parameters_a_selection(box):
    """Mean z at 1 and 0.2 % of eight boxes: 3.07 and 4.00 by a fit of each selected spectrum.

    Commit 4a79b18 had that; `docs/calibration.md` compares the two in searches with training.
    """
    found = []
    for seed in range(51, 59):
        made = box(seed, n_signal=60)
        patterns = count_patterns(made.mass, made.levels[:, 2:3], subdivide(made.edges, 2))
        fits = scan(patterns, made.windows[2:3], made.efficiencies)
        found.append(z_of_p(fits.p_local[2:]))
    assert np.all(np.mean(found, axis=0) > [3.2, 4.4])


def test_windows_that_are_not_searched_tell_nothing_of_the_bend(box):
    """A combination draws their selections at random: none of them bends."""
    made, known = box(31), np.arange(len(box(31).windows)) % 2 == 0
    levels = made.levels.copy()
    levels[:, ~known] = np.random.default_rng(1).integers(0, 2, (len(levels), 1))
    edges = subdivide(made.edges, 2)
    alone = scan(
        count_patterns(made.mass, levels[:, known], edges), made.windows[known], made.efficiencies
    )
    among = scan(
        count_patterns(made.mass, levels, edges), made.windows, made.efficiencies, searched=known
    )
    np.testing.assert_allclose(among.problem.precision, alone.problem.precision, rtol=1e-9)
