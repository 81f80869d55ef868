"""Selections compared with counted spectra: a shaping function, a transfer factor, and no function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from overdensity.core import ConfigError
from overdensity.stats import FitModel, count_patterns, hunt, log_edges
from overdensity.stats.search.hunt_result import HuntResult
from overdensity.stats.search.scan_fits import fit_scan
from overdensity.stats.search.scanning import scan
from overdensity.stats.search.selected_spectrum import selected_peak, selected_spectrum

EDGES = log_edges(2500, 6000, 16)
WINDOWS = [EDGES[[k, k + 3]] for k in range(2, 12, 3)]
COUNTED = ("shaping", "transfer")


def events(seed: int, signal: int = 0, n: int = 12_000) -> tuple[NDArray, NDArray]:
    """Masses that turn on up to 3.3 TeV, and a cut that keeps more of them the heavier they are."""
    rng = np.random.default_rng(seed)
    mass = 2500 * (1 - 0.98 * rng.random(n)) ** -0.2
    mass = mass[rng.random(n) < np.clip((mass - 2100) / 1200, 0.2, 1)]
    levels = (rng.random(len(mass)) < 0.05 * np.sqrt(mass / 3500)).astype(int)
    mass = np.r_[mass, rng.normal(3600, 90, signal)]
    levels = np.r_[levels, np.ones(signal, int)]
    return mass, np.tile(levels[:, None], (1, len(WINDOWS)))


def hunted(
    background: Any, seed: int, signal: int = 0, pseudo_experiments: int = 250
) -> HuntResult:
    mass, levels = events(seed, signal)
    model = FitModel("dijet3", background=background, efficiency_order=2, gof_threshold=0.01)
    return hunt(
        *(mass, levels),
        edges=EDGES,
        windows=WINDOWS,
        efficiencies=[1.0, 0.05],
        model=model,
        pseudo_experiments=pseudo_experiments,
        seed=seed,
    )


@pytest.mark.parametrize("background", COUNTED)
def test_a_signal_is_found_where_no_function_describes_the_spectrum(background: str) -> None:
    found = hunted(background, 3, signal=90)
    assert found.best is not None
    assert found.best.z_local > 3.5
    assert abs(found.best.resonance.mass - 3600) < 60
    assert hunted("function", 3, signal=90).flags  # says that dijet3 does not describe it
    assert found.flags == ()
    assert found.function == background


@pytest.mark.parametrize("background", COUNTED)
def test_without_a_signal_nothing_is_found(background: str) -> None:
    found = [hunted(background, seed) for seed in range(4)]
    p_global = np.array([each.global_p.p_global for each in found if each.global_p is not None])
    assert len(p_global) == 4
    assert (p_global < 0.05).sum() <= 1  # two of four: 1.4 % of the times by chance


@pytest.mark.slow(seconds=6)
@pytest.mark.parametrize("background", COUNTED)
def test_global_p_values_are_uniform_without_a_signal(background: str) -> None:
    p = [hunted(background, 100 + seed, pseudo_experiments=500).global_p for seed in range(80)]
    p_global = np.array([each.p_global for each in p if each is not None])
    assert len(p_global) == 80
    assert kstest(p_global, "uniform", alternative="greater").pvalue > 0.01  # none too small
    assert (p_global < 0.05).mean() < 0.12


@pytest.mark.parametrize("background", COUNTED)
def test_its_efficiency_is_free_without_being_asked_for(background: str) -> None:
    found = hunted(background, 1)
    np.testing.assert_allclose(found.odds_widths, 1.0)


def test_the_spectrum_before_selection_is_not_tested() -> None:
    (window, *_) = hunted("shaping", 1).windows
    row = window.unselected
    assert (row.observed, row.expected_error, row.p_local) == (row.expected, None, None)
    assert not row.searched


def test_expectations_are_those_of_counted_events() -> None:
    mass, levels = events(5)
    patterns = count_patterns(mass, levels, EDGES)
    fits = {
        name: scan(patterns, WINDOWS, [0.05], model=FitModel(background=name, efficiency_prior=1.0))
        for name in ("shaping", "transfer")
    }
    one = fits["shaping"]
    inside, before, after = one.problem.masked[1], one.counts[0], one.counts[1]
    log_odds = one.problem.columns @ one.fits.odds[0, 0, 0]
    kept = 1 / (1 + np.exp(-log_odds))
    assert np.isclose(one.fits.expected[0, 1], (before * kept)[inside].sum())
    other = fits["transfer"]
    failing = (before - after) * kept / (1 - kept)
    assert np.allclose(other.fits.odds, one.fits.odds)  # the fit itself is the same
    assert np.isclose(other.fits.expected[0, 1], failing[inside].sum())
    assert other.fits.error[0, 1] > one.fits.error[0, 1]  # of the events that fail, too
    for each in fits.values():
        shown = selected_spectrum(each, 1, seed=1)
        assert np.isclose(shown.total, each.fits.expected[0, 1])
        assert np.isclose(shown.total_error, each.fits.error[0, 1], rtol=1e-3)
        assert selected_peak(each, 1).mass > 0


def test_a_transfer_factor_is_not_raised_by_the_signal_that_it_is_compared_with() -> None:
    mass, levels = events(5)
    patterns = count_patterns(mass, levels, EDGES)
    for background, share in (("shaping", 0.05), ("transfer", 0.0)):
        problem = scan(patterns, WINDOWS, [0.05], model=FitModel(background=background)).problem
        counts = patterns.spectra(1).reshape(-1, EDGES.size - 1).astype(float)
        more = np.where(problem.masked[0], 100.0, 0.0)  # in the first window, all of it selected
        moved = np.diff(fit_scan(problem, np.stack([counts, counts + more])).expected[:, 1], axis=0)
        assert abs(moved[0] - share * 300) < 5


def test_an_unknown_background_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"background 'shape'.*shaping"):
        FitModel(background="shape")  # pyright: ignore[reportArgumentType]
