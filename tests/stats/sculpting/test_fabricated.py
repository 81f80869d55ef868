"""Sculpted selections are recognised by the bulk of the scores; signals do not look like it."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.stats import (
    FitModel,
    Sculpting,
    fabricated_excess,
    log_edges,
    refuse_fabricated,
    selection_levels,
    subdivide,
)
from overdensity.stats.search.scanning import scan
from overdensity.stats.selection.conformal import conformal_p
from overdensity.stats.selection.patterns import count_patterns

EDGES = log_edges(2632.0, 6000.0, 16)
FINE = subdivide(EDGES, 2)
WINDOWS = np.array([(EDGES[i], EDGES[i + 3]) for i in range(2, 12)])
EFFICIENCIES = (0.1, 0.01, 0.002)
SEARCH = {"edges": FINE, "windows": WINDOWS, "efficiencies": EFFICIENCIES}
NEAR = (WINDOWS[:, 0] < 3500) & (WINDOWS[:, 1] > 3500)


def draw(seed, shape=None, *, n=20_000, n_signal=0):
    """Masses from a dijet shape, scores of noise, half of it shared, plus shape(ln m, center)."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(EDGES[0], EDGES[-1], 20_001)
    y = (grid[1:] + grid[:-1]) / 26e3
    cdf = np.concatenate([[0], np.cumsum((1 - y) ** 4 / y**3)])
    mass = np.interp(rng.random(rng.poisson(n)) * cdf[-1], cdf, grid)
    mass = np.concatenate([mass, rng.normal(3500, 140, n_signal)])
    scores = rng.normal(size=(mass.size, 10)) + rng.normal(size=(mass.size, 1))
    scores /= np.sqrt(2)
    if shape is not None:
        centers = np.log(WINDOWS).mean(axis=1)
        scores += np.stack([shape(np.log(mass), each) for each in centers], axis=1)
    scores[mass.size - n_signal :] += 3.0
    return scores, mass, rng.integers(0, 7, mass.size)


def learnt(strength):
    """What a classifier of each window does that has learnt the mass."""
    return lambda x, center: strength * np.exp(-0.5 * ((x - center) / 0.05) ** 2)


def sculpting(*data, **search):
    return refuse_fabricated(fabricated_excess(*data, **search))


def pulls(result: Sculpting):
    return np.array([window.shift / window.shift_error for window in result.windows])


def calibrated(scores, mass, folds):
    columns = zip(scores.T, WINDOWS, strict=True)
    return -np.stack([conformal_p(s, mass, folds, window=(a, b)) for s, (a, b) in columns], axis=1)


def levels_of(scores, folds):
    return np.stack([selection_levels(s, folds, EFFICIENCIES) for s in scores.T], axis=1)


@pytest.fixture(scope="module")
def quiet():
    return [sculpting(*draw(seed), **SEARCH) for seed in range(8)]


def test_shifts_without_sculpting_have_standard_pulls(quiet):
    found = np.array([pulls(result) for result in quiet])
    # three windows of ten share no event: some 24 independent pulls
    assert abs(found.mean()) < 4 / np.sqrt(24)
    assert 0.75 < np.sqrt((found**2).mean()) < 1.25


def test_selections_without_sculpting_are_seldom_refused(quiet):
    # 2.3 % of the windows by construction, of which few are independent
    assert np.mean([result.refused for result in quiet]) < 0.08


def test_masses_of_an_honest_selection_are_those_of_all_events(quiet):
    chi2, ndf = (
        np.array(
            [
                [row[name] for row in window["selections"]]
                for window in quiet[0].to_dict()["windows"]
            ]
        )
        for name in ("chi2", "ndf")
    )
    assert np.all(ndf == 31)
    assert chi2[:, 0].mean() == pytest.approx(31, abs=8)
    sculpted = sculpting(*draw(0, learnt(0.5)), **SEARCH)
    for honest, bent in zip(quiet[0].windows, sculpted.windows, strict=True):
        assert bent.selections[0].chi2 > 60
        assert bent.selections[0].distance > honest.selections[0].distance


def test_a_classifier_that_has_learnt_the_mass_is_refused_everywhere():
    scores, mass, folds = draw(1, learnt(0.8))
    assert sculpting(scores, mass, folds, **SEARCH).refused.all()
    result = sculpting(calibrated(scores, mass, folds), mass, folds, **SEARCH)
    assert result.refused.all()  # calibration in the sidebands cannot help against it
    assert len(result.sentences()) == 30
    assert "the score knows the mass" in result.sentences()[0]


def test_the_predicted_excess_is_the_one_observed():
    predicted, errors, observed, statistical = [], [], [], []
    for seed in range(4):
        scores, mass, folds = draw(20 + seed, learnt(0.3), n=30_000)
        result = sculpting(scores, mass, folds, **SEARCH)
        rows = [window.selections[0] for window in result.windows[::3]]  # windows without overlap
        patterns = count_patterns(mass, levels_of(scores, folds), FINE)
        fits = scan(patterns, WINDOWS, EFFICIENCIES)
        excess = (fits.observed - fits.fits.expected[0]).reshape(fits.shape)[::3, 1]
        error = np.sqrt(fits.fits.expected[0] + fits.fits.error[0] ** 2).reshape(fits.shape)[::3, 1]
        predicted += [row.fake for row in rows]
        errors += [row.fake_error for row in rows]
        observed += list(excess)
        statistical += list(error)
    pull = (np.array(observed) - predicted) / np.hypot(statistical, errors)
    assert np.mean(np.array(predicted) / statistical) > 2  # there is something to predict
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert np.sqrt((pull**2).mean()) < 1.5


def test_windows_share_suspicion(quiet):
    assert max(abs(result.common) for result in quiet) < 3  # standard, without sculpting
    faint = sculpting(*draw(10, learnt(0.15)), **SEARCH)
    assert faint.common > 3
    doubtful = [
        row.refused
        for window in faint.windows
        for row in window.selections
        if row.fake_z > faint.tolerance and 1 < row.fake / row.fake_error < faint.significance
    ]
    assert doubtful  # windows too faint to be refused alone
    assert all(doubtful)


@pytest.mark.parametrize(
    "shape",
    [
        lambda x, _: 3 * (x - np.log(3500)),
        lambda x, center: -10 * (x - center) ** 2,
    ],
    ids=["monotone", "parabola"],
)
def test_smooth_sculpting_is_calibrated_away(shape):
    scores, mass, folds = draw(2, shape)
    raw = sculpting(scores, mass, folds, **SEARCH)
    flat = sculpting(calibrated(scores, mass, folds), mass, folds, **SEARCH)
    assert raw.windows[3].selections[0].chi2 > 500
    assert flat.windows[3].selections[0].chi2 < 60
    assert flat.refused.mean() < 0.1


def test_a_step_is_refused_where_it_fakes_an_excess():
    scores, mass, folds = draw(3, lambda x, _: 1.0 * (x > np.log(3500)))
    result = sculpting(calibrated(scores, mass, folds), mass, folds, **SEARCH)
    refused = result.refused.any(axis=1)
    assert refused[2:4].all()
    assert not refused[[0, 1, 8, 9]].any()  # far from the step
    fake = np.array([window.selections[0].fake_z for window in result.windows])
    assert result.refused[fake > 2, 0].all()


@pytest.mark.parametrize("n_signal", [100, 600])
def test_a_signal_is_not_refused(n_signal):
    refused = [
        sculpting(*draw(seed, n_signal=n_signal), **SEARCH).refused[NEAR] for seed in range(40, 43)
    ]
    assert np.mean(refused) < 0.1


def test_a_signal_hardly_moves_the_bulk():
    scores, mass, folds = draw(5, n_signal=100)  # 2 % of the events near 3.5 TeV
    inside = (mass >= EDGES[0]) & (mass < EDGES[-1])
    background = inside & (np.arange(mass.size) < mass.size - 100)
    with_signal = pulls(sculpting(scores[inside], mass[inside], folds[inside], **SEARCH))
    without = pulls(sculpting(scores[background], mass[background], folds[background], **SEARCH))
    assert np.abs(with_signal - without).max() < 0.3


def test_a_strong_signal_that_reaches_into_the_bulk_is_not_refused():
    scores, mass, folds = draw(6, n=100_000, n_signal=1500)
    result = sculpting(scores, mass, folds, **SEARCH)
    assert pulls(result)[NEAR].max() > 1  # its events below the cut are there
    assert not result.refused[NEAR].any()


def test_what_is_refused_follows_from_one_prediction(quiet):
    found = fabricated_excess(*draw(3, learnt(0.5)), **SEARCH)
    strict = refuse_fabricated(found, tolerance=0.01, significance=0.1, share=0.0)
    lenient = refuse_fabricated(found, tolerance=100.0)
    assert strict.refused.sum() > 0
    assert not lenient.refused.any()
    assert strict.windows[0].shift == lenient.windows[0].shift


def test_ties_are_broken_by_event_id():
    scores, mass, folds = draw(8, n=5000)
    coarse = np.round(scores)
    events = np.random.default_rng(1).permutation(mass.size).astype(np.uint64)
    order = np.random.default_rng(2).permutation(mass.size)
    first = sculpting(coarse, mass, folds, events=events, **SEARCH)
    second = sculpting(coarse[order], mass[order], folds[order], events=events[order], **SEARCH)
    for a, b in zip(first.windows, second.windows, strict=True):
        assert a.shift == pytest.approx(b.shift, abs=1e-9)
        assert [row.distance for row in a.selections] == pytest.approx(
            [row.distance for row in b.selections]
        )


def test_the_record_survives_json(quiet, tmp_path):
    path = quiet[0].to_json(tmp_path / "sculpting.json")
    assert Sculpting.from_json(path) == quiet[0]


def test_what_cannot_be_used_is_refused():
    scores, mass, folds = draw(9, n=5000)
    with pytest.raises(InputError, match="n_events, n_windows"):
        sculpting(scores[:, 0], mass, folds, **SEARCH)
    with pytest.raises(InputError, match="folds"):
        sculpting(scores, mass, folds[1:], **SEARCH)
    with pytest.raises(ConfigError, match=r"use 0\.9"):
        sculpting(scores, mass, folds, bulk=0.95, **SEARCH)


def test_the_fits_are_those_of_the_model_of_the_search():
    scores, mass, folds = draw(9, n=5000)
    inside = (mass >= FINE[0]) & (mass < FINE[-1])
    levels = [selection_levels(each, folds, EFFICIENCIES, within=inside) for each in scores.T]
    patterns = count_patterns(mass, np.stack(levels, axis=1), FINE)
    model = FitModel("dijet3", guard=1, efficiency_prior=0.5)
    expected = scan(patterns, WINDOWS, EFFICIENCIES, model=model)
    found = fabricated_excess(scores, mass, folds, model=model, **SEARCH)
    np.testing.assert_array_equal(found.fits.p_local, expected.p_local)
    assert fabricated_excess(scores, mass, folds, **SEARCH).fits.problem.basis.design.shape[-1] == 5


def test_a_selection_without_events_bends_nothing():
    scores, mass, folds = draw(3, n=2000)
    found = sculpting(scores, mass, folds, **{**SEARCH, "efficiencies": (0.1, 1e-4)})
    empty = found.windows[0].selections[1]
    assert (empty.chi2, empty.distance) == (0.0, 0.0)
