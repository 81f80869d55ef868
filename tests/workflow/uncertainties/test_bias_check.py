"""The bias of all functions on the spectrum of a search."""

from __future__ import annotations

from pathlib import Path

from overdensity.stats import background_functions
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.uncertainties.bias_check import BiasCheck, check_bias


def test_all_functions_generate_and_fit(search_file: Path) -> None:
    found, path = check_bias(load_config(search_file), toys=50)
    assert BiasCheck.from_json(path) == found
    assert {cell.fits for cell in found.cells} == set(background_functions())
