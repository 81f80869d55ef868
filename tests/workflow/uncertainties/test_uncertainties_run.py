"""A search with uncertainties says what each of them does, and goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from overdensity.core import FitError
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.workflow import SearchResults
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.report.report import write_report
from overdensity.workflow.stages.hunting import make_results
from overdensity.workflow.stages.run import Run
from overdensity.workflow.uncertainties import uncertainties_run
from overdensity.workflow.uncertainties.uncertainties_result import Uncertainties
from overdensity.workflow.uncertainties.uncertainties_run import make_uncertainties

from ...stats.workspaces.combine_card import read_card

GIVEN = "uncertainties={luminosity: 0.05, tagger: 0.3, position: 0.01, functions: [dijet3, dijet4]}"


@pytest.fixture(scope="module")
def made(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, SearchResults]:
    """Return a search with uncertainties, in a folder of its own."""
    folder = tmp_path_factory.mktemp("uncertain") / "run"
    shutil.copytree(finished_run, folder)
    run = Run(load_config(finished_run / "config.yaml", [GIVEN, f"out={folder}"]))
    return run, make_results(run)


@pytest.fixture(scope="module")
def found(made: tuple[Run, SearchResults]) -> Uncertainties:
    make_uncertainties(*made)
    return Uncertainties.from_json(made[0].folder / "uncertainties.json")


def test_all_nuisances_have_their_names(found: Uncertainties, made) -> None:
    names = {each.name for each in found.impacts.impacts}
    assert {"luminosity", "tagger", "position", "background_1", "efficiency_2"} <= names
    assert found.envelope is not None
    of_window = found.envelope.fraction[made[1].best.window]
    assert ("background_function" in names) == (of_window > 0)
    whole = json.loads((made[0].folder / "workspace_shape.json").read_text())
    written = {
        modifier["name"]
        for channel in whole["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    assert names <= written
    assert "tagger lnN" in (made[0].folder / "datacard.txt").read_text()


@pytest.mark.slow(seconds=6)
def test_workspace_and_datacard_of_a_run_say_what_its_record_says(
    found: Uncertainties, made: tuple[Run, SearchResults]
) -> None:
    """With the nuisances of other background functions, and events that pass and that fail."""
    spec = json.loads((made[0].folder / "workspace_shape.json").read_text())
    assert {"pass_00", "fail_00"} <= {channel["name"] for channel in spec["channels"]}
    for model in (spec, read_card(made[0].folder / "datacard.txt")):
        assert discovery(model).z == pytest.approx(found.z, rel=0.01)
    card = asymptotic_limit(read_card(made[0].folder / "datacard.txt"))
    assert card.observed == pytest.approx(found.limit.observed, rel=0.01)
    assert card.expected == pytest.approx(found.limit.expected, rel=0.01)


def test_uncertainties_cost_significance_and_limit(found: Uncertainties) -> None:
    assert 0 < found.z < found.z_without + 0.1
    assert found.limit.observed > 1.02 * found.limit_without.observed
    assert found.profile is not None
    assert found.profile.functions == ("dijet3", "dijet4")


def test_the_envelope_is_in_the_p_values_of_the_search(
    found: Uncertainties, made: tuple[Run, SearchResults]
) -> None:
    assert found.envelope is not None
    for window, fraction in zip(made[1].windows, found.envelope.fraction, strict=True):
        for row in window.rows:
            assert row.spurious >= (1 - 1e-6) * fraction * row.expected  # and the bias, if any


def test_it_is_written_and_not_made_again(found: Uncertainties, made) -> None:
    path = made[0].folder / "uncertainties.json"
    before = path.stat().st_mtime_ns
    assert make_uncertainties(*made) == made[1]
    assert Uncertainties.from_json(path) == found
    assert path.stat().st_mtime_ns == before
    for name in ("impacts", "strength"):
        assert (made[0].folder / "uncertainties" / f"{name}.svg").is_file()
    assert "tagger" in found.table().text()


def test_without_uncertainties_there_is_no_such_file(finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "uncertainties.json").write_text("{}")
    run = Run(load_config(finished_run / "config.yaml", [f"out={tmp_path}"]))
    results = SearchResults.from_json(finished_run / "results.json")
    assert make_uncertainties(run, results) == results
    assert not (tmp_path / "uncertainties.json").exists()


def test_a_fit_that_fails_is_a_flag_until_it_does_not(
    made: tuple[Run, SearchResults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(made[0].folder, folder)
    run, results = Run(made[0].config.model_copy(update={"out": str(folder)})), made[1]
    (folder / "uncertainties.json").write_text("{}")  # of an earlier version

    def unfitted(_: object) -> None:
        msg = "1 of 1 fits of the model do not converge"
        raise FitError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(uncertainties_run, "impacts", unfitted)
        flagged = make_uncertainties(run, results)
    (flag,) = set(flagged.flags) - set(results.flags)
    assert flag == "uncertainties: no uncertainties.json: 1 of 1 fits of the model do not converge"
    assert SearchResults.from_json(folder / "results.json") == flagged
    assert flag in flagged.table().text()
    assert not (folder / "uncertainties.json").exists()
    write_report(folder)
    assert flag in (folder / "report.html").read_text()
    assert "tagger lnN" not in (folder / "datacard.txt").read_text()
    assert make_uncertainties(run, flagged) == results
    assert SearchResults.from_json(folder / "results.json") == results


def test_models_lose_the_nuisances_that_the_configuration_loses(
    finished_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    names = ("workspace_shape.json", "datacard.txt")
    plain = [(folder / name).read_text() for name in names]
    results = SearchResults.from_json(folder / "results.json")
    luminosity = ["uncertainties.luminosity=0.02", f"out={folder}"]
    make_uncertainties(Run(load_config(finished_run / "config.yaml", luminosity)), results)
    assert all("luminosity" in (folder / name).read_text() for name in names)
    run = Run(load_config(finished_run / "config.yaml", [f"out={folder}"]))
    assert make_uncertainties(run, results) == results
    assert [(folder / name).read_text() for name in names] == plain
    assert not list((folder / "uncertainties").iterdir())
