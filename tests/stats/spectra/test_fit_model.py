from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.stats import FitModel


def test_each_term_of_the_efficiency_has_the_width_of_the_prior() -> None:
    width = FitModel(efficiency_order=3, efficiency_prior=0.8).odds_precision() ** -0.5
    np.testing.assert_allclose(width, [10, 0.8, 0.8, 0.8])


def test_a_prior_to_be_measured_begins_wide() -> None:
    np.testing.assert_allclose(FitModel().odds_precision() ** -0.5, [10, 1, 1, 1, 1])


def test_the_bend_of_a_counted_background_is_free_and_not_measured() -> None:
    model = FitModel(background="transfer")
    assert FitModel().measures_bend
    assert not model.measures_bend
    np.testing.assert_allclose(model.odds_precision()[1:] ** -0.5, 1.0)


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"guard": -1}, "guard is -1; it must be not negative"),
        ({"efficiency_prior": 0.0}, "efficiency_prior is 0; it must be greater than 0"),
        ({"efficiency_order": -1}, "efficiency_order is -1; it must be not negative"),
        ({"gof_threshold": 1.0}, "gof_threshold is 1; it must be from 0 to below 1"),
    ],
)
def test_a_setting_that_no_fit_can_have_is_refused(setting: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        FitModel(**setting)


def test_settings_survive_json() -> None:
    model = FitModel("dijet3", guard=1, efficiency_order=1, gof_threshold=0.01)
    assert FitModel.from_dict(model.to_dict()) == model
