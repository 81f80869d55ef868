from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.stats import FitModel


def test_constraints_narrow_by_two_with_each_parameter() -> None:
    width = FitModel(freedom=0.8).precision(5) ** -0.5
    np.testing.assert_allclose(width, [10, 0.8, 0.4, 0.2, 0.1])


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"guard": -1}, "guard is -1; it must be not negative"),
        ({"freedom": 0.0}, "freedom is 0; it must be greater than 0"),
        ({"gof_threshold": 1.0}, "gof_threshold is 1; it must be from 0 to below 1"),
    ],
)
def test_a_setting_that_no_fit_can_have_is_refused(setting: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        FitModel(**setting)


def test_settings_survive_json() -> None:
    model = FitModel("dijet3", guard=1, freedom=0.5, gof_threshold=0.01)
    assert FitModel.from_dict(model.to_dict()) == model
