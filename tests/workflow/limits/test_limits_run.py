from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from overdensity.core import ConfigError, OverdensityError
from overdensity.stats.limits.cls import upper_limit
from overdensity.workflow import SearchResults, load_config
from overdensity.workflow.commands import command_line
from overdensity.workflow.limits import limits_run as limits
from overdensity.workflow.limits import yield_limits
from overdensity.workflow.limits.injection import inject
from overdensity.workflow.limits.injection_results import Injection
from overdensity.workflow.limits.limits_figures import limits_figures
from overdensity.workflow.limits.limits_result import LimitsResults
from overdensity.workflow.limits.limits_run import check_limits
from overdensity.workflow.limits.signal_models import read_signal_models
from overdensity.workflow.search_run import run_limits
from overdensity.workflow.stages.run import Run

from ...conftest import make_box, write_search

STRENGTHS, REPEATS = (100,), 5


@pytest.fixture(scope="module", autouse=True)
def _limits_of_the_same_counts_are_found_once() -> Iterator[None]:
    """Every test limits the yields of the same run."""
    found: dict[str, Any] = {}

    def once(workspace: dict[str, Any], *, level: float) -> Any:
        key = json.dumps([workspace, level])
        if key not in found:
            found[key] = upper_limit(workspace, level=level)
        return found[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(yield_limits, "upper_limit", once)
        yield


@pytest.fixture(scope="module")
def campaign(box: Path, finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with limits set; copy its folder before changing anything."""
    folder = tmp_path_factory.mktemp("limits")
    shutil.copytree(finished_run, folder / "run")
    signal = make_box(folder / "signal.parquet", background=0, signal=1000, seed=7)
    path = write_search(folder, box)
    values = yaml.safe_load(path.read_text())
    values["limits"] = {
        "signals": {
            "Z' 3.8": {"files": str(signal), "generated": 4000, "cross_section": 2.5},
        },
        "luminosity": 10.0,
        "injections": {"strengths": list(STRENGTHS), "repeats": REPEATS},
    }
    path.write_text(yaml.safe_dump(values))
    run_limits(load_config(path))
    return folder


@pytest.fixture
def again(campaign: Path, tmp_path: Path) -> Path:
    """The configuration of a finished campaign, which stands in this test's own folder."""
    shutil.copytree(campaign / "run", tmp_path / "run")
    values = yaml.safe_load((campaign / "search.yaml").read_text())
    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump(values | {"out": str(tmp_path / "run")}))
    return path


@pytest.fixture
def found(campaign: Path) -> LimitsResults:
    return LimitsResults.from_json(campaign / "run" / "limits.json")


def test_limits_of_the_windows_are_those_of_their_counts(
    found: LimitsResults, campaign: Path
) -> None:
    results = SearchResults.from_json(campaign / "run" / "results.json")
    assert len(found.windows) == len(results.windows)
    for window, published in zip(found.windows, results.windows, strict=True):
        for row, of_run in zip(window.selections, published.searched, strict=True):
            assert row.selection == of_run
            if of_run.flagged:
                assert row.observed is None
                continue
            assert row.observed is not None
            assert list(row.expected) == sorted(row.expected)
            # CLs: never below the excess itself, and about two of its errors above it
            spread = np.hypot(np.sqrt(of_run.observed), of_run.total_error)
            excess = of_run.observed - of_run.expected
            assert excess < row.observed < max(excess, 0) + 3 * spread + 3


def test_signal_limits_are_consistent(found: LimitsResults) -> None:
    (signal,) = found.signals
    assert signal.low < 3800 < signal.high
    assert signal.mass == pytest.approx(3800, rel=0.01)
    assert signal.per_event == pytest.approx(4000 / 1000 / 10)
    assert [point.strength for point in signal.points] == [0, *STRENGTHS]
    assert [point.repeats for point in signal.points] == [REPEATS, REPEATS]
    for limit in (signal.fixed, signal.injected):
        if limit is None or limit.observed is None:
            continue
        assert limit.cross_section_observed == pytest.approx(limit.observed * signal.per_event)
    assert signal.injected is not None
    assert signal.reach is not None
    assert any("the data with smeared masses, and these hold an excess" in x for x in found.flags)
    without = signal.points[0].selections[0]
    assert max(without.z_local) < 3.5  # the box holds signal; its pseudo-data have no peak
    assert len(signal.injected.pseudo_expected) == REPEATS


def test_limit_without_retraining_is_yield_over_efficiency(found: LimitsResults) -> None:
    (signal,) = found.signals
    assert signal.fixed is not None  # the box holds signal, so its training knows it
    rows = found.windows[signal.window].selections
    row = next(row for row in rows if row.efficiency == signal.fixed.efficiency)
    assert row.observed is not None
    # and a little more, for the error of the efficiency
    assert 1 < signal.fixed.observed * signal.fixed.eps_s / row.observed < 1.05


def test_command_ends_with_the_limits(
    again: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    monkeypatch.setenv("COLUMNS", "200")
    before = _stamps(again)
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["limits", str(again)])
    assert not stopped.value.code
    out = capfd.readouterr().out
    assert "95 % CLs upper limits" in out
    assert "repeated" in out
    assert _stamps(again) == before
    assert (again.parent / "run" / "limits" / "signals.svg").is_file()


def test_interrupted_campaign_goes_on_where_it_was(again: Path, found: LimitsResults) -> None:
    before = _stamps(again)
    assert len(before) == 1 + (1 + len(STRENGTHS)) * REPEATS
    gone = sorted(before)[::5]
    for path in gone:
        path.unlink()
    made = run_limits(load_config(again))
    after = _stamps(again)
    assert set(after) == set(before)
    assert all(after[path] == before[path] for path in set(before) - set(gone))
    assert made.signals == found.signals


def test_progress_says_what_is_injected_and_what_is_measured(campaign: Path) -> None:
    run = Run(load_config(campaign / "search.yaml"))
    results = SearchResults.from_json(campaign / "run" / "results.json")
    (signal,) = read_signal_models(run, run.config.limits)
    tasks = limits._tasks(run.config.limits, signal, results, run.columns, {"theta": (1.0,)})
    name = next((campaign / "run" / "limits").glob("*-s0-r0-*.json"))
    rows = limits._progress(tasks, {task: Injection.from_json(name) for task in tasks})
    assert list(rows) == [
        "Z' 3.8, its efficiency in the search as it is",
        "Z' 3.8, 0 events injected",
        "Z' 3.8, 100 events injected",
    ]
    assert [row.startswith("1/1") for row in rows.values()] == [True, False, False]
    assert ["median z" in row for row in rows.values()] == [False, True, True]


def test_failure_in_the_middle_keeps_what_is_done(
    again: Path, found: LimitsResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _stamps(again)
    for path in before:
        if Injection.from_json(path).repeat in {1, 2}:
            path.unlink()

    def fails_on_repeat_1(run, task, path):
        if task.repeat == 1:
            msg = "out of memory"
            raise MemoryError(msg)
        inject(run, task, path)

    with monkeypatch.context() as patched:
        patched.setattr(limits, "inject", fails_on_repeat_1)
        with pytest.raises(OverdensityError, match=r"2 of 4 tasks failed.*out of memory"):
            run_limits(load_config(again))
    kept = _stamps(again)
    assert len(kept) == len(before) - 2
    made = run_limits(load_config(again))
    assert {path: _stamps(again)[path] for path in kept} == kept
    assert made.signals == found.signals


def test_another_strength_makes_its_own_injections_only(again: Path) -> None:
    before = _stamps(again)
    changes = ["limits.injections.strengths=[60, 100]"]
    made = run_limits(load_config(again, changes))
    after = _stamps(again)
    assert {path: after[path] for path in before} == before
    new = {Injection.from_json(path).strength for path in set(after) - set(before)}
    assert new == {60.0}
    assert [point.strength for point in made.signals[0].points] == [0, 60, 100]


def test_injections_into_simulation_give_expected_limits(again: Path, tmp_path: Path) -> None:
    pool = make_box(tmp_path / "pool.parquet", background=15_000, signal=0, seed=31)
    changes = [f"limits.background={pool}", "limits.injections.strengths=[60]"]
    made = run_limits(load_config(again, changes))
    (signal,) = made.signals
    assert signal.injected is not None
    assert len(signal.injected.pseudo_expected) == REPEATS
    assert [point.repeats for point in signal.points] == [REPEATS, REPEATS]
    without = signal.points[0].selections[0]
    assert max(without.z_local) < 3.5  # the data hold signal; pseudo-data do not
    assert not any("hold an excess" in flag for flag in made.flags)


def test_no_section_limits_the_yields_alone(finished_run: Path, tmp_path: Path, box: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    made = run_limits(load_config(write_search(tmp_path, box)))
    assert made.signals == ()
    assert len(made.windows) == 3
    assert not list((tmp_path / "run" / "limits").glob("*.json"))


def test_results_of_the_run_are_not_made_again_for_limits(again: Path, finished_run: Path) -> None:
    old = json.loads((finished_run / "results.json").read_text())
    new = json.loads((again.parent / "run" / "results.json").read_text())
    assert new == old


def test_figures_show_the_limits(again: Path, found: LimitsResults) -> None:
    figures = {name: figure for name, _, figure in limits_figures(again.parent / "run")}
    assert set(figures) == {"yields", "signals", "injections-0"}
    drawn = figures["yields"].axes[0].lines[-1].get_ydata()
    wanted = [window.selections[0].observed for window in found.windows]
    assert np.allclose(drawn, [np.nan if x is None else x for x in wanted], equal_nan=True)
    assert limits_figures(again.parent) == []


def test_report_shows_the_limits(campaign: Path, found: LimitsResults) -> None:
    page = (campaign / "run" / "report.html").read_text()
    assert "<h2>Upper limits</h2>" in page
    assert page.count('alt="injections-0"') == 1
    assert all(flag.replace("'", "&#39;").replace(">", "&gt;") in page for flag in found.flags)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("limits.signals.new=none.parquet", "none.parquet: no such file"),
        ("limits.injections.strengths=[900]", "too few to inject 900"),
        ("limits.background=none.parquet", "none.parquet: no such file"),
    ],
)
def test_bad_files_are_refused_before_a_cluster_starts(
    again: Path, override: str, complaint: str
) -> None:
    with pytest.raises(OverdensityError, match=complaint) as caught:
        check_limits(Run(load_config(again, [override])))
    assert "\n" not in str(caught.value)


def test_signal_without_a_feature_is_refused(again: Path, campaign: Path, tmp_path: Path) -> None:
    table = pq.read_table(campaign / "signal.parquet").drop_columns(["j1_tau21"])
    pq.write_table(table, tmp_path / "short.parquet")
    run = Run(load_config(again, [f"limits.signals.new={tmp_path / 'short.parquet'}"]))
    with pytest.raises(OverdensityError, match="no column 'j1_tau21'"):
        check_limits(run)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("limits.injections.strenghts=[3]", "'limits.injections.strenghts': did you mean 'stre"),
        (
            "limits.signals.x={files: a, fils: b}",
            "unknown key 'limits.signals.x.fils': did you mean 'files'",
        ),
        ("limits.injections.strengths=[10, 10]", "strengths: values repeat one another"),
        ("limits.injections.strengths=[-1]", "greater than 0"),
        ("limits.level=95", "less than 1"),
        ("limits.level=0.99999", "cannot be shown to cover at the level 0.99999; choose 0.999"),
        ("limits.injections.repeats=2", "2 repeats do not show how much .* give 5 or more"),
        ("limits.signals={}", "injections need a signal"),
        ("limits.luminosity=0", "greater than 0"),
    ],
)
def test_bad_configuration_is_one_sentence(again: Path, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_config(again, [override])
    assert "\n" not in str(caught.value)


def test_command_says_what_is_missing(
    search_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["limits", str(search_file), "--set", "limits.signals.a=gone.parquet"])
    assert stopped.value.code == 2
    assert capfd.readouterr().err.strip().count("\n") == 0


def _stamps(path: Path) -> dict[Path, int]:
    files = (path.parent / "run" / "limits").glob("*.json")
    return {file: file.stat().st_mtime_ns for file in files}
