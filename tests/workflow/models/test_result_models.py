"""A result is written as models; where there is none, those of an earlier one go."""

from __future__ import annotations

import json
from pathlib import Path

from overdensity.core import FitError
from overdensity.stats import FitModel, HuntResult
from overdensity.workflow.models.result_models import MODELS, write_models, write_whole_range


def test_a_search_leaves_all_its_models(finished_run: Path) -> None:
    for name in MODELS:
        assert (finished_run / name).is_file(), name
    whole = json.loads((finished_run / "workspace_shape.json").read_text())
    results = json.loads((finished_run / "results.json").read_text())
    events = sum(sum(channel["data"]) for channel in whole["observations"])
    assert events == sum(results["spectra"][0]["counts"])


def test_models_of_an_earlier_result_do_not_stay(tmp_path: Path) -> None:
    for name in MODELS:
        (tmp_path / name).write_text("old")
    nothing = HuntResult(
        (2500.0, 6000.0), "dijet3", (), False, None, None, None, 12.0, 10, 0.3, 0.0, ()
    )
    assert write_models(tmp_path, nothing, FitModel()) == ()  # the flags of the result say why
    assert [path.name for path in tmp_path.iterdir()] == ["written.json"]


def test_a_model_that_cannot_be_fitted_ends_no_run_and_is_flagged(tmp_path: Path) -> None:
    def unfitted():
        msg = "the fit did not converge"
        raise FitError(msg)

    for name in MODELS:
        (tmp_path / name).write_text("old")
    flags = write_whole_range(tmp_path, unfitted)
    assert flags == ("no workspace_shape.json: the fit did not converge",)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["workspace.json", "written.json"]
