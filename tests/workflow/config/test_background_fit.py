"""How a selection may bend the mass spectrum, as the configuration says it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from overdensity.workflow import parse_config
from overdensity.workflow.config.background_fit import EfficiencyConfig
from overdensity.workflow.stages.run import Run


def test_the_prior_is_measured_or_a_number():
    assert EfficiencyConfig() == EfficiencyConfig(order=4, prior="measured")
    assert EfficiencyConfig(prior=0.2).prior == 0.2


@pytest.mark.parametrize("bad", [{"order": -1}, {"prior": 0}, {"prior": "guessed"}, {"width": 1}])
def test_what_no_fit_can_have_is_refused(bad):
    with pytest.raises(ValidationError):
        EfficiencyConfig(**bad)


@pytest.mark.parametrize(("prior", "given"), [("measured", None), (0.2, 0.2)])
def test_the_fits_of_a_run_take_it(prior, given):
    config = parse_config(
        {"events": {"files": ["box.parquet"]}, "fit": {"efficiency": {"order": 1, "prior": prior}}}
    )
    model = Run(config).fit_model
    assert (model.efficiency_order, model.efficiency_prior) == (1, given)
