"""The command writes the bias of all functions on the spectrum of a search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from overdensity.stats import background_functions
from overdensity.workflow.uncertainties.bias_check import BiasCheck

Call = Callable[..., tuple[int, str, str]]


def test_all_functions_generate_and_fit(call: Call, search_file: Path) -> None:
    code, out, _ = call("validate", "bias", search_file, "--toys", "100")
    assert code == 0
    found = BiasCheck.from_json(search_file.parent / "run" / "bias.json")
    n = len(background_functions())
    assert len(found.cells) == 6 * n**2
    assert "mean pull" in out
    assert all(abs(cell.pull) < 1 for cell in found.cells if cell.generates == cell.fits)


def test_another_check_is_refused(call: Call, search_file: Path) -> None:
    code, _, said = call("validate", "luck", search_file)
    assert code == 2
    assert "bias" in said
