"""A search whose fits begin above the lower end of its scan, at a mass that is given or chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError
from overdensity.workflow import parse_config, run_search
from overdensity.workflow.models.written_files import START_FILE
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.search_result import SearchResults, run_of_results


def settings(folder: Path, start: Any, out: str = "run") -> dict[str, Any]:
    """A search of events that turn on up to 2900 GeV."""
    box = folder / "box.parquet"
    if not box.is_file():
        rng = np.random.default_rng(1)
        mass = 2500 * (1 - 0.983 * rng.random(20_000)) ** -0.2
        mass = mass[rng.random(len(mass)) < np.clip((mass - 2100) / 800, 0, 1)]
        feature = rng.normal(size=(2, len(mass)))
        pq.write_table(pa.table({"mjj": mass, "x": feature[0], "y": feature[1]}), box)
    return {
        "events": {"files": str(box)},
        "features": ["x", "y"],
        "scan": {"low": 2500, "high": 5500, "bins": 14, "signal_bins": 2, "sideband_bins": 2},
        "selections": [1, 0.1],
        "folds": 3,
        "fit": {"function": "dijet3", "start": start},
        "method": {"name": "cwola", "classifier": {"kind": "quadratic", "inner_folds": 2}},
        "pseudo_experiments": 250,
        "cluster": "threads",
        "out": str(folder / out),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("start")


@pytest.fixture(scope="module")
def chosen(folder: Path) -> SearchResults:
    return run_search(parse_config(settings(folder, "auto")))


def test_a_chosen_start_is_written_down_and_above_the_turn_on(
    chosen: SearchResults, folder: Path
) -> None:
    assert chosen.fit_start is not None
    assert 2700 < chosen.fit_start.start < 3200
    assert chosen.fit_start == SearchResults.from_json(folder / "run" / "results.json").fit_start
    run = Run(parse_config(settings(folder, "auto")))
    assert run.start == chosen.fit_start.start  # for the commands that go on with it
    assert [window.low for window in run.windows] == [window.low for window in chosen.windows]
    assert run.edges[0] == run.start
    assert chosen.windows[0].low > run.start


def test_a_result_has_its_own_start_and_a_damaged_file_is_made_again(
    chosen: SearchResults, folder: Path
) -> None:
    assert chosen.fit_start is not None
    path = folder / "run" / START_FILE
    whole = path.read_text()
    path.unlink()
    run = run_of_results(chosen, folder / "run")
    assert run.start == chosen.fit_start.start
    assert [window.low for window in run.windows] == [window.low for window in chosen.windows]
    again = run_search(parse_config(settings(folder, "auto")))
    assert (again.windows, path.read_text()) == (chosen.windows, whole)


@pytest.mark.slow(seconds=5)
def test_a_search_that_begins_there_finds_the_same(chosen: SearchResults, folder: Path) -> None:
    assert chosen.fit_start is not None
    given = run_search(parse_config(settings(folder, chosen.fit_start.start - 1.0, "given")))
    assert given.windows == chosen.windows
    assert given.fit_start is None
    assert not (folder / "given" / START_FILE).exists()


@pytest.mark.slow(seconds=5)
def test_where_fits_fail_a_start_is_proposed(chosen: SearchResults, folder: Path) -> None:
    assert chosen.fit_start is not None
    whole = run_search(parse_config(settings(folder, None, "whole")))
    (advice,) = [flag for flag in whole.flags if "fit.start" in flag]
    assert f"from {chosen.fit_start.start:.0f} GeV on they do: set fit.start: auto" in advice
    assert not any("fit.start" in flag for flag in chosen.flags)


def test_a_start_outside_of_the_scan_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"fit\.start: 2400 GeV is not in the scan"):
        parse_config(settings(folder, 2400.0))
