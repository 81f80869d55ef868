"""What a search with uncertainties and limits cannot do is one sentence, and leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.workflow import search_run
from overdensity.workflow.config.reading import load_config

from ...conftest import make_box

Call = Callable[..., tuple[int, str, str]]

SIX_BINS = "scan={low: 3000, high: 5000, bins: 6, signal_bins: 2, sideband_bins: 2}"


@pytest.fixture
def signals(tmp_path: Path, box: Path) -> Path:
    """A signal without varied columns, one whose varied columns lack a feature, and little background."""
    (tmp_path / "data.parquet").symlink_to(box)
    path = make_box(tmp_path / "plain.parquet", background=0, signal=100, seed=7)
    make_box(tmp_path / "qcd.parquet", background=900, signal=0, seed=8)
    table = pq.read_table(path)
    for name in ("columns", "variations/jes_up/columns", "variations/jes_down/columns"):
        (tmp_path / name).mkdir(parents=True)
        kept = table if name == "columns" else table.drop_columns(["j1_mass"])
        pq.write_table(kept, tmp_path / name / "varied.parquet")
    return tmp_path


def settings(keys: Sequence[str], folder: Path) -> list[str]:
    """Return keys as the command line takes them, with files of a folder."""
    return [word for each in keys for word in ("--set", each.replace("DIR", str(folder)))]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["run", "signal=[DIR/plain.parquet]", "uncertainties.variations=jes"],
            "plain.parquet: this signal has no columns 'jes_up' beside it",
        ),
        (
            ["run", "limits.injections.strengths=[.inf]"],
            "limits.injections.strengths.0 must be a fin",
        ),
        (
            ["limits", "limits.signals={A: DIR/plain.parquet}", "uncertainties.variations=jes"],
            "plain.parquet: this signal has no columns 'jes_up' beside it",
        ),
        (
            [
                "limits",
                "limits.signals={A: DIR/columns/varied.parquet}",
                "uncertainties.variations=jes",
            ],
            "jes_up/columns/varied.parquet: no column 'j1_mass'",
        ),
        (["run", "uncertainties.variations=jes"], "name its columns under signal"),
        (["run", "uncertainties.tagger=1.5"], "uncertainties.tagger must be less than 1"),
        (
            ["run", SIX_BINS, "fit={function: dijet5, bins_per_bin: 1}"],
            "fit.function: dijet5 has 5 parameters, and only 2 bins can tell whether it fits",
        ),
        (
            ["run", SIX_BINS, "fit.function=dijet5"],
            "fit.function: dijet5 has 5 parameters, and only 4 bins can tell whether it fits",
        ),
        (
            ["expect", "fit={function: dijet4, start: 3500}"],
            "fit.function above 3500 GeV: dijet4 has 4 parameters, and only 2 bins can tell",
        ),
        (
            ["validate bias", SIX_BINS, "fit.bins_per_bin=1"],
            "fit.function: dijet3 has 3 parameters",
        ),
        (["run", "fit.start=4900"], "fit.function above 4900 GeV: dijet3 has 3 parameters"),
        (
            ["hunt", SIX_BINS, "uncertainties.functions=dijet4"],
            "uncertainties.functions: dijet4 has 4 parameters, and only 4 bins can tell",
        ),
        (["run", "uncertainties.variations=[jes, jes]"], "values repeat one another: jes, jes"),
        (["run", "decorrelate=[j1_mass, j1_mass]"], "values repeat one another: j1_mass, j1_mass"),
        (
            ["run", "fit.efficiency.prior=0"],
            "fit.efficiency.prior must be 'measured' or be greater",
        ),
        (
            ["expect", "expect.efficiencies={0.1: 0.5, 0: 0.2}"],
            "expect.efficiencies: no selection has the background efficiency 0",
        ),
        (
            ["limits", "limits.signals={A: {files: DIR/plain.parquet, mass: 9000}}"],
            "limits.signals.A.mass: 9000 GeV is not in the scan",
        ),
        (
            [
                "limits",
                "limits.signals={A: DIR/plain.parquet}",
                "limits.injections.strengths=[20]",
                "limits.background=DIR/qcd.parquet",
            ],
            "qcd.parquet: 900 events in the scan range do not make pseudo-data of 6120",
        ),
        (
            [
                "limits",
                "limits.signals={A: DIR/plain.parquet}",
                "limits.injections.strengths=[20]",
                "limits.background=[DIR/data.parquet, DIR/qcd.parquet]",
            ],
            "events and limits.background: ",
        ),
        (
            ["calibrate", "pseudo_datasets.simulation=[DIR/qcd.parquet]"],
            "a pseudo-dataset takes 6120 simulated background events, and there are 900",
        ),
        (["run", "selections=[0.1, 0]"], "selections: a selection is a background efficiency"),
        (["run", "folds=1", "repeats=3"], "folds must be at least 2"),
        (["run", "folds=2", "repeats=3"], "needs at least 3 folds"),
        (["run", "repeats=0"], "repeats must be at least 1"),
        (["limits", "limits.level=0.9999"], "cannot be shown to cover at the level 0.9999"),
        (["limits", "limits.level=1"], "limits.level must be less than 1"),
        (
            [
                "limits",
                "limits.signals={A: DIR/plain.parquet}",
                "limits.injections={strengths: [20], repeats: 1}",
            ],
            "1 repeats do not show how much the efficiency varies",
        ),
        (
            [
                "limits",
                "limits.signals={A: DIR/plain.parquet}",
                "limits.injections.strengths=[2000]",
            ],
            "100 signal events are too few to inject 2000",
        ),
    ],
)
def test_it_is_one_sentence_and_nothing_is_written(
    call: Call, search_file: Path, signals: Path, given: list[str], said: str
) -> None:
    command, *keys = given
    code, _, error = call(*command.split(), search_file, *settings(keys, signals), "--quiet")
    assert code == 2
    assert said in error
    assert error.count("\n") == 1
    assert not (search_file.parent / "run").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["run", "selections=[0.1, 0.000001]"],
            "selections: 1e-06 of 6120 events in 3 folds keeps none",
        ),
        (
            ["run", "signal=[DIR/columns/varied.parquet]", "uncertainties.variations=jes"],
            "jes_up/columns/varied.parquet: no column 'j1_mass'",
        ),
        (["run", "fit.spurious=[DIR/none.parquet]"], "none.parquet: no such file"),
        (
            ["run", "fit.spurious=[DIR/data.parquet]"],
            "data.parquet holds the events that are searched",
        ),
        (
            ["run", "fit.spurious=[DIR/plain.parquet]"],
            "plain.parquet: only 0 bins outside the window",
        ),
        (["run", "signal=[DIR/data.parquet]"], "events and signal: "),
        (
            ["run", "region={cuts: {j1_tau21: {below: -1}}, side: fail}"],
            "no events with j1_tau21 < -1; take other files",
        ),
        (
            ["expect", "fit.spurious=[DIR/data.parquet]", "expect.efficiencies={0.02: 0.2}"],
            "data.parquet holds the events that are searched",
        ),
        (
            ["expect", "fit.spurious=[DIR/plain.parquet]", "expect.efficiencies={0.02: 0.2}"],
            "fit.spurious: DIR/plain.parquet: only 0 bins outside the window",
        ),
    ],
)
def test_what_only_the_events_show_is_said_before_anything_is_trained(
    call: Call, search_file: Path, signals: Path, given: list[str], said: str
) -> None:
    command, *keys = given
    code, _, error = call(command, search_file, *settings(keys, signals), "--quiet")
    assert code == 2
    assert said.replace("DIR", str(signals)) in error
    assert error.count("\n") == 1
    assert not any((search_file.parent / "run" / name).exists() for name in ("scores", "expected"))


def test_a_signal_of_which_nothing_passes_leaves_the_result_with_its_report(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        msg = "signal: none of its events passes"
        raise InputError(msg)

    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    (folder / "report.html").unlink()
    monkeypatch.setattr(search_run, "make_uncertainties", refuse)
    with pytest.raises(InputError, match="none of its events passes"):
        search_run.run_search(load_config(folder / "config.yaml", [f"out={folder}"]))
    assert (folder / "report.html").is_file()
