"""Smearing of the jet energy resolution: the width that must come out, and where numbers come from."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from scipy import stats

from overdensity.processors.calibration.smearing import matched_pt, normal_deviates, smearing_factor

N_JETS = 100_000


@pytest.fixture(scope="module")
def deviates() -> np.ndarray:
    event = np.repeat(np.arange(N_JETS // 2, dtype=np.uint64), 2)
    return normal_deviates(event, np.arange(N_JETS) % 2)


def test_deviates_are_normal_and_independent_within_an_event(deviates) -> None:
    assert stats.kstest(deviates, "norm").pvalue > 0.01
    correlation = np.corrcoef(deviates[::2], deviates[1::2])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(N_JETS / 2)


def test_deviates_know_the_event_and_the_place_alone(deviates) -> None:
    event = np.array([40, 7, 40], dtype=np.uint64)
    again = normal_deviates(event, np.array([1, 0, 0]))
    np.testing.assert_array_equal(again, deviates[[81, 14, 80]])


@pytest.mark.parametrize("matched", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1.1, 1.3])
def test_the_width_becomes_that_of_data(deviates, matched, scale) -> None:
    """Both ways multiply the width by the scale factor; at random, in quadrature."""
    sigma, generated = 0.08, np.full(N_JETS, 500.0)
    response = 1 + sigma * np.random.default_rng(5).normal(size=N_JETS)
    pt = generated * response
    known = generated if matched else np.full(N_JETS, -1.0)
    resolution, scales = np.full(N_JETS, sigma), np.full(N_JETS, scale)
    smeared = pt * smearing_factor(pt, known, resolution, scales, deviates)
    # Var[(1 + σa)(1 + σ√(s²-1)b)] / E² = (1 + σ²)(1 + σ²(s²-1)) - 1 for independent a, b
    squared = (scale**2 - 1) * sigma**2
    width = scale * sigma if matched else np.sqrt((1 + sigma**2) * (1 + squared) - 1)
    error = width / np.sqrt(2 * N_JETS)
    assert np.std(smeared / 500) == pytest.approx(width, abs=4 * error)
    assert np.mean(smeared / 500) == pytest.approx(1, abs=4 * width / np.sqrt(N_JETS))


def test_a_factor_below_one_narrows_matched_jets_and_leaves_the_others() -> None:
    pt = np.array([110.0, 110.0])
    factor = smearing_factor(
        pt, np.array([100.0, -1.0]), np.full(2, 0.1), np.full(2, 0.5), np.full(2, 3.0)
    )
    np.testing.assert_allclose(pt * factor, [105.0, 110.0])


def test_no_jet_is_turned_round() -> None:
    one = np.ones(1)
    assert smearing_factor(100 * one, -one, one, 2 * one, -5 * one) == 1e-3


def test_the_match_is_the_nearest_that_passes_both_conditions() -> None:
    def lists(events: list[list[tuple[float, float, float]]]) -> ak.Array:
        return ak.Array(
            [[dict(zip(("pt", "eta", "phi"), jet, strict=True)) for jet in jets] for jets in events]
        )

    jets = lists([
        [(100, 0.0, 3.1), (50, 2.0, 0.0)],  # across the seam of phi; and far from all
        [],
        [(100, 0.0, 0.0)],  # the nearest differs by too much in pT, the next is taken
        [(100, 0.0, 0.0)],  # nothing was generated
        [(100, 0.0, 0.0)],  # at ΔR = 0.45 of R / 2 = 0.4
    ])  # fmt: skip
    generated = lists([
        [(90, 0.0, -3.1)],
        [(90, 0.0, 0.0)],
        [(60, 0.0, 0.05), (95, 0.1, 0.1), (96, 0.2, 0.2)],
        [],
        [(100, 0.45, 0.0)],
    ])  # fmt: skip
    matched = matched_pt(jets, generated, np.full(5, 0.1), radius=0.8)
    np.testing.assert_array_equal(matched, [90, -1, 95, -1, -1])
