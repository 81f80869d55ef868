"""The third stage: what is measured of the scores, written down, and not done twice."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import FitError
from overdensity.processors.columns.histograms import from_uhi
from overdensity.stats import best_workspace
from overdensity.workflow import SearchResults
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.models import result_models
from overdensity.workflow.stages.before_selection import before_selection, daughters_of
from overdensity.workflow.stages.hunting import _feature_hists, _truth, hunt_scores, make_results
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import read_scores
from overdensity.workflow.stages.selecting import (
    calibrated_scores,
    independence_of,
    levels_of,
    sculpting_of,
)


@pytest.fixture
def run(finished_run: Path, search_file: Path) -> Run:
    """Return the finished search, in this test's own folder."""
    shutil.copytree(finished_run, search_file.parent / "run")
    return Run(load_config(search_file))


def test_an_unchanged_result_is_not_made_again(run: Run) -> None:
    path = run.folder / "results.json"
    before = path.stat().st_mtime_ns
    results = make_results(run)
    assert results == SearchResults.from_json(path)
    assert path.stat().st_mtime_ns == before
    assert results.key == run.key("results")


@pytest.mark.parametrize("text", ["{}", '{"windows": 3}'])
def test_a_result_of_another_version_is_made_again(run: Run, text: str) -> None:
    before = SearchResults.from_json(run.folder / "results.json")
    (run.folder / "results.json").write_text(text)
    (run.folder / "limits.json").touch()
    again = make_results(run)
    assert (again.windows, again.best) == (before.windows, before.best)
    for of_earlier_result in ("limits.json", "report.html"):
        assert not (run.folder / of_earlier_result).exists()


def test_features_are_histogrammed_for_all_and_for_the_selected(run: Run) -> None:
    results = SearchResults.from_json(run.folder / "results.json")
    best = results.best
    assert best is not None
    stored = json.loads((run.folder / "histograms.json").read_text())
    assert list(stored) == ["j1_mass", "j1_tau21"]
    everything, selected = from_uhi(stored["j1_tau21"]).values(flow=True).sum(axis=1)[:2]
    window = results.windows[best.window]
    row = next(each for each in window.selections if each.efficiency == best.efficiency)
    assert (everything, selected) == (window.unselected.observed, row.observed)


def test_a_result_of_the_unselected_spectrum_has_all_that_others_have(run: Run) -> None:
    scores, rng = read_scores(run), np.random.default_rng(1)
    mass = scores.sample.mass.copy()
    moved = rng.choice(np.flatnonzero(scores.sample.label == 0), 400, replace=False)
    mass[moved] = rng.normal(3800, 80, 400)  # a bump whose features and scores are those of QCD
    scores = dataclasses.replace(scores, sample=dataclasses.replace(scores.sample, mass=mass))
    cut_on = dataclasses.replace(scores, values=rng.random(scores.values.shape, np.float32))
    levels = levels_of(run, cut_on)
    refused = sculpting_of(run, cut_on).refused
    result = hunt_scores(run, scores, levels, spurious=None, refused=refused)
    best = result.best
    assert best is not None
    assert best.efficiency == 1
    assert result.unselected_counted
    window = result.windows[best.window]
    (truth, *_), shown = (
        _truth(run, scores, levels, result),
        _feature_hists(run, scores, levels, result),
    )
    assert truth.signal + truth.background == window.unselected.observed
    inside, beside = from_uhi(shown["j1_mass"]).values(flow=True).sum(axis=1)[:2]
    assert (inside, inside + beside) == (window.unselected.observed, mass.size)
    named = dataclasses.replace(scores.sample, names=("group", "sample"))  # words that hist keeps
    shown = _feature_hists(run, dataclasses.replace(scores, sample=named), levels, result)
    assert list(shown) == ["group", "sample"]
    found = before_selection(run, scores=scores, levels=levels, result=result)
    assert found is not None
    assert found.unselected is not None
    assert abs(found.unselected.value - 520) < 4 * found.unselected.error
    assert [each.name for each in daughters_of(run, scores, levels, result)] == ["j1_mass"]
    assert best_workspace(result)["channels"][0]["name"] == "mass"


def test_independence_is_tested_in_every_window(run: Run) -> None:
    scores = calibrated_scores(run, read_scores(run))
    found = independence_of(run, scores)
    assert len(found) == len(run.windows)
    again = independence_of(run, scores)
    assert found == again  # under the seed of the search


def test_a_model_that_cannot_be_made_is_a_flag(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unfitted(*_: object, **__: object) -> None:
        msg = "the fit of events that pass or fail does not converge"
        raise FitError(msg)

    before = make_results(run)
    (run.folder / "results.json").unlink()
    monkeypatch.setattr(result_models, "best_categories", unfitted)
    flagged = make_results(run)
    (flag,) = set(flagged.flags) - set(before.flags)
    assert flag == "no workspace_shape.json: the fit of events that pass or fail does not converge"
    assert SearchResults.from_json(run.folder / "results.json") == flagged
    assert make_results(run) == flagged  # an unchanged one is not made again


def test_a_damaged_model_is_made_again_and_limits_are_kept(run: Run) -> None:
    limits, model = run.folder / "limits.json", run.folder / "workspace.json"
    limits.write_text("{}")
    before = model.read_text()
    model.write_text(before.replace("1", "2", 1))
    again = make_results(run)
    assert model.read_text() == before
    assert limits.exists()
    assert again == make_results(run)
