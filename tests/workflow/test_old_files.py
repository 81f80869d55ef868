"""Files that another version wrote are refused in one sentence that says what to do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from overdensity import read_run
from overdensity.core import InputError, Record
from overdensity.processors import ProcessingReport
from overdensity.workflow.benchmark.benchmark_result import BenchmarkRun
from overdensity.workflow.calibrate.retrained import PseudoDataset, Retrained
from overdensity.workflow.challenge.jets_of_excess import JetsOfExcess
from overdensity.workflow.combine.combined_run import CombinedSearch
from overdensity.workflow.expect.blind_training import TrainedResponse
from overdensity.workflow.expect.expected_result import ExpectedPoint, ExpectedReach
from overdensity.workflow.limits.injection_results import Injection
from overdensity.workflow.limits.limits_result import LimitsResults
from overdensity.workflow.models.written_files import WrittenFiles
from overdensity.workflow.regions.region_result import RegionSearchResults
from overdensity.workflow.stages.scores import Trainings
from overdensity.workflow.stages.search_result import SearchResults
from overdensity.workflow.uncertainties.uncertainties_result import Uncertainties

SOURCES = (Path(__file__).resolve().parents[2] / "workflow").rglob("*.py")
READ: dict[str, tuple[type[Record], str]] = {
    "processing.json": (ProcessingReport, "process"),
    "scores.parquet": (Trainings, "score"),
    "results.json": (SearchResults, "hunt"),
    "written.json": (WrittenFiles, "hunt"),
    "uncertainties.json": (Uncertainties, "hunt"),
    "pseudodata.json": (Retrained, "calibrate"),
    "dataset0001.json": (PseudoDataset, "calibrate"),
    "limits.json": (LimitsResults, "limits"),
    "injection.json": (Injection, "limits"),
    "expected.json": (ExpectedReach, "expect"),
    "point.json": (ExpectedPoint, "expect"),
    "response.json": (TrainedResponse, "expect"),
    "combination.json": (CombinedSearch, "combine"),
    "regions.json": (RegionSearchResults, "run"),
    "answer_jets.json": (JetsOfExcess, "challenge answer"),
    "training.json": (BenchmarkRun, "benchmark"),
}

# A key is never to be deleted (tests/workflow/challenge/test_key.py); what a simulation that was
# stopped has left is begun again where it does not fit; boxes that a suite of another version has
# sealed are refused (tests/workflow/suite/test_suite_run.py); the start of the fits is made again
# with the result (tests/workflow/test_fit_start.py).
READ_OTHERWISE = {"Key", "Secret", "Recipe", "SealedSuite", "FitStart"}


def set_schema(path: Path, schema: int | None) -> None:
    """Make a file one of another version; None is of before there were numbers."""
    values = {key: value for key, value in json.loads(path.read_text()).items() if key != "schema"}
    path.write_text(json.dumps(values if schema is None else {"schema": schema, **values}))


def test_no_file_that_is_read_back_is_forgotten() -> None:
    read = {
        name
        for path in SOURCES
        for name in re.findall(
            r"(\w+)\.(?:from_json|from_text|earlier|found_at)\(", path.read_text()
        )
    }
    assert read == {record.__name__ for record, _ in READ.values()} | READ_OTHERWISE


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("content", ['{"schema": 99}', '{"old": 1}'])
def test_a_file_of_another_version_is_refused_with_what_to_do(
    name: str, content: str, tmp_path: Path
) -> None:
    (record, command), path = READ[name], tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError) as refused:
        record.from_json(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: {record.__name__} ")
    assert message.endswith(f"; delete it and run 'overdensity {command}' again")
    if "schema" in content:
        assert f"is of schema 99, and this version of overdensity reads schema {record.schema}" in (
            message
        )


def test_the_results_of_another_version_are_not_read(finished_run: Path, tmp_path: Path) -> None:
    shutil.copy(finished_run / "results.json", tmp_path)
    set_schema(tmp_path / "results.json", 2)
    with pytest.raises(InputError, match=r"results.json: .* schema 2, .* 'overdensity hunt' again"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "command"), [("results", "hunt"), ("limits", "limits"), ("pseudodata", "calibrate")]
)
def test_no_report_is_made_of_a_file_of_another_version(
    name: str, command: str, finished_run: Path, tmp_path: Path, call: Callable[..., tuple]
) -> None:
    shutil.copy(finished_run / "results.json", tmp_path)
    path = tmp_path / f"{name}.json"
    path.write_text(path.read_text() if path.is_file() else "{}")
    set_schema(path, 99)
    code, _, said = call("report", tmp_path)
    assert code == 2
    assert f"{path}: " in said
    assert f"delete it and run 'overdensity {command}' again" in said
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("schema", [None, 1, 2])
def test_a_combination_of_another_version_is_refused(schema: int | None, tmp_path: Path) -> None:
    path = tmp_path / "combination.json"
    path.write_text("{}")
    set_schema(path, schema)
    said = rf"schema {schema or 1}, .* reads schema 3; delete it and run 'overdensity combine'"
    with pytest.raises(InputError, match=rf"combination.json: CombinedSearch is of {said} again$"):
        CombinedSearch.from_json(path)
