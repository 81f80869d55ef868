from __future__ import annotations

import dataclasses
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from overdensity.core import OverdensityError
from overdensity.workflow import SearchResults, connect, load_config
from overdensity.workflow.limits import hepdata
from overdensity.workflow.limits.hepdata import write_hepdata
from overdensity.workflow.limits.limits_result import LimitsResults
from overdensity.workflow.limits.limits_run import make_limits
from overdensity.workflow.stages.run import Run

from ...conftest import make_box, write_search


@pytest.fixture(scope="module")
def run(box: Path, finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with limits on a signal, without injections."""
    folder = tmp_path_factory.mktemp("hepdata")
    shutil.copytree(finished_run, folder / "run")
    signal = make_box(folder / "signal.parquet", background=0, signal=600, seed=7)
    overrides = [f"limits.signals.A/B={signal}", "limits.luminosity=10"]
    config = load_config(write_search(folder, box), overrides)
    with connect("threads", 1) as client:
        make_limits(Run(config), client)
    return folder / "run"


@pytest.fixture
def results(run: Path) -> SearchResults:
    return SearchResults.from_json(run / "results.json")


@pytest.fixture
def found(run: Path) -> LimitsResults:
    return LimitsResults.from_json(run / "limits.json")


def tables(folder: Path) -> dict[str, dict]:
    """Tables of a submission by name, with their columns by name."""
    read = {}
    for part in yaml.safe_load_all((folder / "submission.yaml").read_text()):
        if "data_file" not in part:
            continue
        data = yaml.safe_load((folder / part["data_file"]).read_text())
        columns = data["independent_variables"] + data["dependent_variables"]
        read[part["name"]] = {each["header"]["name"]: each["values"] for each in columns}
    return read


def test_submission_is_valid_and_holds_the_numbers(
    results: SearchResults, found: LimitsResults, tmp_path: Path
) -> None:
    here = set(os.listdir())
    folder = write_hepdata(results, found, tmp_path)  # refused submissions raise
    assert set(os.listdir()) == here
    read = tables(folder)
    assert "Limits on events at background efficiency 1" in read
    yields = read["Limits on events at background efficiency 0.1"]
    first = found.windows[0].selections[1]
    assert yields["Observed events"][0]["value"] == first.selection.observed
    assert yields["Signal region"][0]["low"] == pytest.approx(found.windows[0].low, rel=1e-5)
    for window, shown in zip(found.windows, yields["Observed limit"], strict=True):
        limit = window.selections[1].observed
        assert shown["value"] == ("-" if limit is None else pytest.approx(limit, rel=1e-4))
    spectrum = read["Mass spectrum at background efficiency 1"]
    fit = results.spectra[0]
    assert fit is not None
    assert [row["value"] for row in spectrum["Events"]] == list(fit.counts)
    errors = [row["errors"][0]["symerror"] for row in spectrum["Fitted background"]]
    assert errors == pytest.approx(list(fit.expected_error), rel=1e-4)
    models = read["Limits on signal models without retraining"]
    assert models["Model"][0]["value"] == "A/B"


def test_archive_holds_every_table(
    results: SearchResults, found: LimitsResults, tmp_path: Path
) -> None:
    folder = write_hepdata(results, found, tmp_path)
    with tarfile.open(folder / "submission.tar.gz") as archive:
        assert set(archive.getnames()) == {path.name for path in folder.glob("*.yaml")}


def test_tables_of_an_earlier_run_are_gone(
    results: SearchResults, found: LimitsResults, tmp_path: Path
) -> None:
    write_hepdata(results, found, tmp_path)
    folder = write_hepdata(results, dataclasses.replace(found, signals=()), tmp_path)
    assert not list(folder.glob("*signal_models*"))


def test_missing_limit_is_a_dash(
    results: SearchResults, found: LimitsResults, tmp_path: Path
) -> None:
    window = found.windows[0]
    before, loose, tight = window.selections
    row = dataclasses.replace(loose, observed=None, expected=())
    bare = dataclasses.replace(window, selections=(before, row, tight))
    changed = dataclasses.replace(found, windows=(bare, *found.windows[1:]))
    read = tables(write_hepdata(results, changed, tmp_path))
    columns = read["Limits on events at background efficiency 0.1"]
    assert columns["Observed limit"][0]["value"] == "-"
    assert columns["Expected limit, median"][0]["value"] == "-"


def test_invalid_submission_is_refused(
    results: SearchResults,
    found: LimitsResults,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nameless(name: str, description: str) -> hepdata.Table:
        table = hepdata.Table("x" * 20)  # the same name twice
        table.description, table.location = description, "here"
        return table

    monkeypatch.setattr(hepdata, "new_table", nameless)
    with pytest.raises(OverdensityError, match="HEPData would refuse"):
        write_hepdata(results, found, tmp_path)
