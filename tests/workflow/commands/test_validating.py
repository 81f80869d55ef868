"""``overdensity validate``: the region that is not searched, and the bias of functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overdensity.stats import background_functions
from overdensity.workflow import SearchResults
from overdensity.workflow import search_run as search
from overdensity.workflow.uncertainties.bias_check import BiasCheck

Call = Callable[..., tuple[int, str, str]]
CUTS = "region={cuts: {j1_tau21: {below: 0.9}}}"


def test_a_search_of_all_events_has_no_validation_region(call: Call, search_file: Path) -> None:
    code, _, error = call("validate", "region", search_file)
    assert code == 2
    assert "say with region which are searched, such as region: {cuts:" in error


def test_a_column_that_is_not_there_is_named(call: Call, search_file: Path) -> None:
    cuts = "region={cuts: {delta_eta: {below: 1.3}}}"
    code, _, error = call("validate", "region", search_file, "--set", cuts)
    assert code == 2
    assert "box.parquet: no column 'delta_eta'" in error
    assert not (search_file.parent / "run" / "validation" / "scores").exists()


def test_a_region_without_events_is_refused(call: Call, search_file: Path) -> None:
    cuts = "region={cuts: {j1_tau21: {above: -1}}}"
    code, _, error = call("validate", "region", search_file, "--set", cuts)
    assert code == 2
    assert (
        "box.parquet: no events without -1 ≤ j1_tau21; take other files, or change region.cuts"
        in error
    )


def test_the_command_says_what_was_found(
    call: Call, search_file: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SearchResults.from_json(finished_run / "results.json")

    def validated(config: Any) -> SearchResults:
        other = config.model_copy(update={"region": config.region.opposite})
        values = other.model_dump(mode="json")
        return replace(found, provenance=replace(found.provenance, configuration=values))

    monkeypatch.setattr(search, "validate_region", validated)
    code, out, _ = call("validate", "region", search_file, "--set", CUTS)
    assert code == 0
    assert "events without j1_tau21 < 0.9: global p" in out
    assert "validation/report.html" in out.replace("\n", "")


def test_all_functions_generate_and_fit(call: Call, search_file: Path) -> None:
    code, out, _ = call("validate", "bias", search_file, "--toys", "100")
    assert code == 0
    found = BiasCheck.from_json(search_file.parent / "run" / "bias.json")
    n = len(background_functions())
    assert len(found.cells) == 6 * n**2
    assert "mean pull" in out
    assert out.count("GeV") == 6 * n
    assert f"{6 * n * (n - 1)} rows of the functions that the search does not fit" in out
    _, out, _ = call("validate", "bias", search_file, "--toys", "100", "--all")
    assert out.count("GeV") == 6 * n**2
    assert all(abs(cell.pull) < 1 for cell in found.cells if cell.generates == cell.fits)
