"""Fits and yields of one workspace."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import FitError, InputError
from overdensity.stats.limits.likelihood import likelihood
from overdensity.stats.limits.profiled import (
    background_fit,
    checked_alpha,
    data_of,
    effective_events,
    fit_data,
    limit_of,
    strength_guess,
    yields_of,
)

from .models import count, workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


MODEL = likelihood(count(30, 20.0, 4.0))


def test_the_background_is_fitted_without_signal():
    # shapesys: 25 events in the side region of 20 expected, so (30 + 25) / (20 + 25) of 20
    theta = background_fit(MODEL)
    assert MODEL.expected(theta[None])[0, 0] == pytest.approx(20 * 55 / 45, rel=1e-5)


def test_a_free_strength_takes_all_of_the_excess():
    fits = fit_data(MODEL, *data_of(MODEL), start=MODEL.start)
    assert fits.theta[0, MODEL.poi] == pytest.approx(10.0, rel=1e-4)


def test_yields_are_background_and_unit_signal():
    background, unit = yields_of(MODEL, MODEL.start[None])
    np.testing.assert_allclose(np.c_[background, unit], [[20.0, 1.0]])


def test_the_guess_is_two_errors_and_three_events():
    assert strength_guess(MODEL, MODEL.start) == pytest.approx(2 * np.sqrt(20) + 3)


def test_a_model_without_signal_has_no_effective_background():
    model = likelihood(workspace([10], [0.0], [10.0]))
    with pytest.raises(FitError, match="no signal"):
        effective_events(model, model.start)


@pytest.mark.parametrize("level", [0.0, 1.0, 2.0])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(InputError, match="confidence level"):
        checked_alpha(level)


def test_a_limit_knows_its_bands():
    limit = limit_of(np.arange(6.0), 0.9, "toys", 3.0)
    assert limit.observed == 0
    assert limit.expected == (1, 2, 3, 4, 5)
