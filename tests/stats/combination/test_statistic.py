"""p-values of sums over channels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, norm

from overdensity.stats.combination.statistic import chi_bar_log_p, joint_statistic, joint_tail


def test_deficits_do_not_count():
    np.testing.assert_allclose(joint_statistic([[3.0, -2.0], [1.0, 2.0], [-8.2, -1.0]]), [9, 5, 0])


def test_one_channel_has_the_p_value_of_its_significance():
    z = np.array([0.5, 2.0, 5.0, 30.0])
    np.testing.assert_allclose(chi_bar_log_p(z**2, 1), norm.logsf(z), rtol=2e-3)


def test_two_channels_are_a_mixture_of_chi_squares():
    t = np.array([0.1, 4.0, 25.0, 599.0])
    expected = 0.5 * chi2.sf(t, 1) + 0.25 * chi2.sf(t, 2)
    np.testing.assert_allclose(np.exp(chi_bar_log_p(t, 2)), expected, rtol=1e-9)


def test_no_excess_in_any_channel_has_probability_one():
    assert chi_bar_log_p(0.0, 3) == 0


def test_the_asymptotic_form_has_no_step_and_no_bottom():
    log_p = chi_bar_log_p(np.array([599.9, 600.1, 1e5]), 2)
    assert log_p[0] - log_p[1] == pytest.approx(0.1, abs=0.01)
    assert log_p[2] == pytest.approx(-5e4, rel=1e-3)


@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_normal_channels_give_the_mixture_far_into_the_tail(n_channels):
    rng = np.random.default_rng(1)
    parts = np.maximum(rng.normal(size=(n_channels, 200_000)), 0) ** 2
    t = np.array([0.5, 4.0, 12.0, 30.0, 100.0, 1000.0])
    tail = joint_tail(list(parts), 120.0)
    # fifty pseudo-experiments fix the tail of each channel to 14 %; this is three times that
    far = chi_bar_log_p(t, n_channels)
    np.testing.assert_allclose(tail.log_p(t), far, atol=0.42 * np.sqrt(n_channels))
    np.testing.assert_allclose(tail.log_p(t[:2]), chi_bar_log_p(t[:2], n_channels), atol=0.03)


def test_the_largest_of_several_selections_is_less_significant():
    rng = np.random.default_rng(2)
    one = np.maximum(rng.normal(size=(2, 20_000)), 0) ** 2
    best = np.maximum(rng.normal(size=(2, 20_000, 4)).max(axis=2), 0) ** 2
    ratio = np.exp(joint_tail(list(best), 40).log_p(30.0) - joint_tail(list(one), 40).log_p(30.0))
    assert 4 < ratio < 20  # 4 trials in one channel, 16 in both


def test_it_agrees_with_counting_pairs():
    rng = np.random.default_rng(3)
    parts = [np.round(rng.exponential(2.0, 4000), 1) for _ in range(2)]
    tail = joint_tail(parts, 60.0)
    pairs = parts[0][:, None] + parts[1][None, :]
    for t in (0.55, 2.05, 6.05, 8.05):  # between the discrete values, before the tail
        assert np.exp(tail.log_p(t)) == pytest.approx(np.mean(pairs >= t), rel=0.01)


def test_it_never_rises():
    rng = np.random.default_rng(4)
    parts = [np.maximum(rng.normal(size=1000), 0) ** 2, np.zeros(1000), rng.exponential(1, 1000)]
    log_p = joint_tail(parts, 100.0).log_p(np.linspace(0, 2000, 5000))
    assert np.all(np.diff(log_p) <= 1e-12)
    assert log_p[0] == 0


def test_a_channel_in_which_nothing_ever_happens_changes_little():
    rng = np.random.default_rng(5)
    part = np.maximum(rng.normal(size=10_000), 0) ** 2
    alone, both = joint_tail([part], 40), joint_tail([part, np.zeros(10_000)], 40)
    t = np.array([1.0, 9.0, 25.0])
    np.testing.assert_allclose(both.log_p(t), alone.log_p(t), atol=0.05)
