"""What the section of uncertainties may say."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.config.uncertainties import UncertaintiesConfig


def parsed(*given: str):
    return parse_config({"events": {"files": ["box.parquet"]}}, given).uncertainties


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("uncertainties.luminosity=1.2", "luminosity must be less than 1"),
        ("uncertainties.tagger=-0.1", "tagger must be at least 0"),
        ("uncertainties.functions=[dijet6]", "no background function 'dijet6'"),
        ("uncertainties.lumi=0.1", "unknown key 'uncertainties.lumi'"),
    ],
)
def test_bad_values_are_one_sentence(given: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parsed(given)


def test_one_name_needs_no_list() -> None:
    assert parsed("uncertainties.functions=dijet4").functions == ("dijet4",)
    assert parsed("uncertainties.variations=jes").variations == ("jes",)


def test_nothing_is_uncertain_by_default() -> None:
    assert parsed() == UncertaintiesConfig()
