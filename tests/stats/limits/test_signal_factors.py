"""Factors on a signal are spread as pyhf spreads them."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats.limits.signal_factors import DrawnFactors, SignalFactor, between


def test_a_symmetric_factor_is_log_normal() -> None:
    drawn = DrawnFactors.of([SignalFactor("tagger", 1.3, 1 / 1.3, trained=False)])
    assert drawn.selected.mean() == pytest.approx(0.0, abs=1e-3)
    assert drawn.selected.std() == pytest.approx(np.log(1.3), rel=1e-3)
    assert not drawn.trained.any()


def test_nuisances_are_independent_of_each_other_and_of_the_score() -> None:
    drawn = DrawnFactors.of(
        [SignalFactor("luminosity", 1.1, 1 / 1.1), SignalFactor("tagger", 1.2, 1 / 1.2, False)]
    )
    together = np.corrcoef([drawn.trained, drawn.selected, drawn.score])
    np.testing.assert_allclose(together, np.eye(3), atol=0.01)
    np.testing.assert_allclose(drawn.score.std(), 1.0, rtol=1e-3)


def test_what_loses_signal_both_ways_loses_it_on_average() -> None:
    drawn = DrawnFactors.of([SignalFactor("position", 0.8, 0.9)])
    assert np.exp(drawn.trained).max() < 1.01
    assert np.exp(drawn.trained).mean() < 0.92


def test_between_is_smooth_and_linear_beyond_one_sigma() -> None:
    alpha = np.linspace(-3, 3, 6001)
    slope = np.gradient(between(alpha, np.asarray(0.2), np.asarray(0.5)), alpha)
    assert np.abs(np.diff(slope)).max() < 1e-3
    np.testing.assert_allclose(slope[[0, -1]], [0.5, 0.2])


def test_a_signal_that_is_gone_is_refused() -> None:
    with pytest.raises(InputError, match="varied by 'jes' changes by"):
        SignalFactor("jes", 1.1, 0.0)
