from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, spearmanr

from overdensity.core import ConfigError, InputError
from overdensity.stats import count_patterns, log_edges, subdivide
from overdensity.stats.search.pseudo_datasets import (
    draw_events,
    smallest_p,
    smeared_masses,
    throw_masses,
)
from overdensity.stats.search.scanning import scan
from overdensity.stats.spectra.functions import basis

from ..conftest import EDGES, make_box

MODEL = basis("dijet3", log_edges(2632.0, 6000.0, 16))
THETA = np.linalg.solve(MODEL.transform, [3.0, 6.0, 4.0])  # (1-y)^6 / y^4


def density_cdf(mass):
    grid = np.linspace(*MODEL.edges[[0, -1]], 20_001)
    y = grid / 13_000
    cumulative = np.cumsum((1 - y) ** 6 / y**4)
    return np.interp(mass, grid, (cumulative - cumulative[0]) / (cumulative[-1] - cumulative[0]))


def falling(n: int, rng: np.random.Generator) -> np.ndarray:
    return throw_masses(MODEL, THETA, n, rng)


def test_thrown_masses_follow_the_fitted_spectrum() -> None:
    thrown = throw_masses(MODEL, THETA, 20_000, np.random.default_rng(1))
    assert kstest(thrown, density_cdf).pvalue > 0.01


@given(n=st.integers(0, 300), smearing=st.floats(0.01, 1.0), seed=st.integers(0, 2**32))
def test_every_event_gets_one_new_mass_inside_the_scan(n, smearing, seed) -> None:
    mass = falling(n, np.random.default_rng(seed))
    new = smeared_masses(mass, MODEL, THETA, smearing=smearing, rng=np.random.default_rng(seed + 1))
    again = smeared_masses(
        mass, MODEL, THETA, smearing=smearing, rng=np.random.default_rng(seed + 1)
    )
    assert new.shape == mass.shape
    assert np.unique(new).size == n
    assert np.all((new >= MODEL.edges[0]) & (new < MODEL.edges[-1]))
    assert np.array_equal(new, again)


def test_new_masses_have_no_resonance_even_where_the_data_have_one() -> None:
    rng = np.random.default_rng(2)
    mass = np.concatenate([falling(10_000, rng), np.full(1000, 3500.0)])
    assert kstest(smeared_masses(mass, MODEL, THETA, rng=rng), density_cdf).pvalue > 0.01


def test_events_of_a_resonance_are_spread_over_sidebands_and_signal_region_alike() -> None:
    """Fraction of signal in the three bins around the peak, less that in the two on either side."""
    rng = np.random.default_rng(3)
    signal = rng.normal(3500.0, 0.03 * 3500.0, 4000)
    mass = np.concatenate([falling(40_000, rng), signal])
    coarse = MODEL.edges
    first = np.searchsorted(coarse, 3500.0) - 2
    regions = np.array([0, 0, 1, 1, 1, 2, 2])  # sideband, signal region, sideband

    def contrast(masses: np.ndarray) -> float:
        bins = np.searchsorted(coarse, masses, side="right") - 1 - (first - 2)
        inside = (bins >= 0) & (bins < 7)
        is_signal = np.arange(masses.size) >= 40_000
        found = np.bincount(regions[bins[inside & is_signal]], minlength=3)
        total = np.bincount(regions[bins[inside]], minlength=3)
        fraction = found / total
        return float(fraction[1] - (fraction[0] + fraction[2]) / 2)

    spread = np.mean([contrast(smeared_masses(mass, MODEL, THETA, rng=rng)) for _ in range(20)])
    assert abs(spread) < 0.15 * contrast(mass)


def test_slow_trends_of_features_with_the_mass_stay() -> None:
    rng = np.random.default_rng(4)
    mass = falling(100_000, rng)
    feature = 2.0 * np.log(mass) + rng.normal(size=mass.size)
    new = smeared_masses(mass, MODEL, THETA, rng=rng)
    middle = (new > 2800) & (new < 4500)
    slope = np.polyfit(np.log(new[middle]), feature[middle], 1)[0]
    assert 0.6 * 2.0 < slope < 2.0


def test_order_of_events_with_their_draws_is_all_that_counts() -> None:
    mass = falling(1000, np.random.default_rng(5))
    one, two = (smeared_masses(mass, MODEL, THETA, rng=np.random.default_rng(s)) for s in (1, 2))
    assert not np.array_equal(one, two)
    nearer = np.exp(np.log(3500.0) + 0.5 * (np.log(mass) - np.log(3500.0)))
    half, whole = (
        smeared_masses(each, MODEL, THETA, smearing=s, rng=np.random.default_rng(1))
        for each, s in ((nearer, 0.1), (mass, 0.2))
    )
    assert np.array_equal(half, whole)


def test_the_smearing_is_a_width_in_the_logarithm_of_the_mass() -> None:
    """For normal ln m of width w, ranks correlate by 6/π asin(ρ/2) with ρ² = w² / (w² + s²)."""
    rng = np.random.default_rng(8)
    mass = np.exp(np.log(4000.0) + 0.08 * rng.normal(size=20_000))
    for smearing in (0.04, 0.08, 0.3):
        new = smeared_masses(mass, MODEL, THETA, smearing=smearing, rng=rng)
        rho = 0.08 / np.hypot(0.08, smearing)
        expected = 6 / np.pi * np.arcsin(rho / 2)
        assert spearmanr(mass, new).statistic == pytest.approx(expected, abs=0.025)


def test_masses_outside_the_scan_and_odd_smearings_are_refused() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(InputError, match="1 of 2 masses lie outside"):
        smeared_masses([3000.0, 7000.0], MODEL, THETA, rng=rng)
    with pytest.raises(ConfigError, match="must be positive"):
        smeared_masses([3000.0], MODEL, THETA, smearing=0.0, rng=rng)


def test_simulated_datasets_share_no_event_while_the_sample_lasts() -> None:
    drawn = [draw_events(1000, 300, index, seed=7) for index in range(4)]
    assert all(np.unique(rows).size == 300 for rows in drawn)
    assert np.unique(np.concatenate(drawn[:3])).size == 900
    assert not np.array_equal(np.sort(drawn[0]), np.sort(drawn[3]))
    assert np.array_equal(drawn[1], draw_events(1000, 300, 1, seed=7))
    with pytest.raises(InputError, match="simulate more"):
        draw_events(100, 300, 0, seed=7)


def test_smallest_p_counts_selections_whose_fit_is_good() -> None:
    box = make_box(1, 10_000)
    fits = scan(
        count_patterns(box.mass, box.levels, subdivide(EDGES, 2)), box.windows, box.efficiencies
    )
    everything = np.full(fits.p_local.size, np.inf)
    p = fits.p_local.reshape(fits.shape)[:, 1:]
    best = smallest_p(fits, everything)
    assert best.p_local == p.min()
    assert best.window == p.min(axis=1).argmin()
    assert best.efficiency == box.efficiencies[p[best.window].argmin()]
    without = everything.copy()
    without[fits.p_local == best.p_local] = -1.0
    assert smallest_p(fits, without).p_local == np.sort(p.ravel())[1]
    nothing = smallest_p(fits, np.full_like(everything, -1.0))
    assert (nothing.p_local, nothing.window) == (1.0, None)
    failed = replace(fits.fits, converged=np.zeros_like(fits.fits.converged))
    assert smallest_p(replace(fits, fits=failed), everything).window is None


def test_spurious_signal_is_thrown_for_a_window_as_a_whole() -> None:
    box = make_box(2, 10_000)
    fits = scan(
        count_patterns(box.mass, box.levels, subdivide(EDGES, 2)),
        box.windows,
        box.efficiencies,
        spurious=np.full(len(box.windows), 0.05),
    )
    everything = np.full(fits.p_local.size, np.inf)
    assert smallest_p(fits, everything).p_local == fits.p_local.reshape(fits.shape)[:, 1:].min()
    low, high = (
        smallest_p(fits, everything, eta=np.full(len(box.windows), shift)).p_local
        for shift in (-2.0, 2.0)
    )
    assert low < smallest_p(fits, everything).p_local < high


def test_the_unselected_spectrum_counts_on_request_and_contradictions_never() -> None:
    box = make_box(1, 10_000)
    box.mass[:400] = 3500.0  # a bump in the spectrum of all events
    patterns = count_patterns(box.mass, box.levels, subdivide(EDGES, 2))
    fits = scan(patterns, box.windows, box.efficiencies)
    everything, counted = np.full(fits.p_local.size, np.inf), np.ones(fits.p_local.size, bool)
    assert smallest_p(fits, everything, counted=counted).efficiency == 1
    assert smallest_p(fits, everything).efficiency != 1
    moved = make_box(1, 10_000)
    inside = (moved.mass >= moved.windows[4][0]) & (moved.mass < moved.windows[4][1])
    moved.levels[inside, 4] = np.maximum(moved.levels[inside, 4], np.arange(inside.sum()) % 3 == 0)
    fits = scan(
        count_patterns(moved.mass, moved.levels, subdivide(EDGES, 2)), box.windows, box.efficiencies
    )
    found = smallest_p(fits, everything)
    assert fits.p_local.min() < 1e-20
    assert found.p_local > 1e-4
