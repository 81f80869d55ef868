from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from overdensity.core import OverdensityError
from overdensity.workflow import cli

CONTRACT_COLUMNS = {
    "event", "mjj",
    *(f"{jet}_{name}" for jet in ("j1", "j2")
      for name in ("pt", "eta", "phi", "mass", "tau21", "tau32", "n")),
}  # fmt: skip

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run the command line in this process; returns exit code, stdout and stderr."""
    monkeypatch.setattr(cli, "_set_up", lambda *, quiet: None)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(word) for word in words])
        code = stopped.value.code
        assert isinstance(code, int) or code is None
        return code or 0, *capfd.readouterr()

    return run


def test_run_ends_with_mass_and_both_significances(call: Call, search_file: Path) -> None:
    code, out, _ = call("run", search_file)
    assert code == 0
    last = out.strip().splitlines()[-1]
    assert last.startswith("mass 3")
    assert "local significance" in last
    assert "global significance" in last
    run = search_file.parent / "run"
    names = {"results.json", "workspace.json", "histograms.json", "report.html", "config.yaml"}
    assert {path.name for path in run.iterdir()} == {*names, "scores"}


@pytest.mark.figures
def test_steps_one_by_one_give_what_run_gives(
    call: Call, search_file: Path, finished_run: Path
) -> None:
    run = search_file.parent / "run"
    assert call("score", search_file)[0] == 0
    assert call("hunt", search_file)[0] == 0
    assert not (run / "report.html").exists()
    assert call("report", run)[0] == 0
    stored, whole = (
        json.loads((folder / "results.json").read_text()) for folder in (run, finished_run)
    )
    assert stored["windows"] == whole["windows"]
    assert stored["best"] == whole["best"]
    assert (run / "report.html").stat().st_size > 100_000


def test_hunt_before_score_says_what_to_do(call: Call, search_file: Path) -> None:
    code, _, err = call("hunt", search_file)
    assert code == 2
    assert "run 'overdensity score' first" in err


def test_set_replaces_a_key(call: Call, search_file: Path) -> None:
    call("score", search_file, "--set", "scan.bins=8", "--set", "folds=4")
    stored = yaml.safe_load((search_file.parent / "run" / "config.yaml").read_text())
    assert stored["scan"]["bins"] == 8
    assert len(list((search_file.parent / "run" / "scores").iterdir())) == 2 * 4


def test_misspelt_key_is_one_sentence_and_exit_code_2(call: Call, search_file: Path) -> None:
    search_file.write_text(search_file.read_text().replace("selections:", "selectoins:"))
    code, out, err = call("run", search_file)
    assert code == 2
    assert out == ""
    assert err.strip().count("\n") == 0
    assert "unknown key 'selectoins': did you mean 'selections'?" in err
    assert not (search_file.parent / "run").exists()


def test_debug_lets_the_error_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_set_up", lambda *, quiet: None)
    with pytest.raises(OverdensityError, match=r"none\.yaml"):
        cli.main(["run", "none.yaml", "--debug"])


def test_methods_json_lists_needs_and_sources(call: Call) -> None:
    code, out, _ = call("methods", "--json")
    assert code == 0
    listed = {method["name"]: method for method in json.loads(out)}
    assert {"cwola", "cwola_networks"} <= set(listed)
    assert all(method["needs"] and method["source"] for method in listed.values())


def test_simulate_writes_what_pandas_reads(simulated_events: Path) -> None:
    frame = pd.read_hdf(simulated_events)
    assert frame.shape == (50, 2101)
    assert frame[2100].sum() == 20
    report = json.loads(simulated_events.with_suffix(".simulation.json").read_text())
    assert report["seed"] == 4


def test_simulate_refuses_impossible_masses(call: Call, tmp_path: Path) -> None:
    code, _, err = call("simulate", tmp_path / "box.h5", "--zprime", 500, "--x", 400, "--y", 300)
    assert code == 2
    assert "choose x + y < zprime" in err
    assert not list(tmp_path.iterdir())


def test_another_shower_and_detector_give_other_events(call: Call, tmp_path: Path) -> None:
    multiplicity = {}
    for name, options in {
        "default": (),
        "other": ("--pythia", "TimeShower:alphaSvalue = 0.09", "--efficiency-scale", 0.9),
    }.items():
        out = tmp_path / f"{name}.h5"
        code, _, _ = call("simulate", out, "--background", 60, "--workers", 1, *options)
        assert code == 0
        multiplicity[name] = (pd.read_hdf(out).iloc[:, :2100:3] > 0).sum(axis=1).mean()
    assert multiplicity["other"] < 0.85 * multiplicity["default"]
    settings = json.loads((tmp_path / "other.simulation.json").read_text())
    assert settings["generator"]["pythia"] == ["TimeShower:alphaSvalue = 0.09"]
    assert settings["detector"]["efficiency_scale"] == 0.9


def test_a_setting_unknown_to_pythia_is_named(call: Call, tmp_path: Path) -> None:
    code, _, err = call(
        "simulate", tmp_path / "box.h5", "--background", 5, "--pythia", "No:such = 1"
    )
    assert code == 2
    assert "Pythia refuses the setting 'No:such = 1'" in err
    assert not list(tmp_path.iterdir())


def test_process_writes_the_columns_of_the_contract(
    call: Call, simulated_events: Path, tmp_path: Path
) -> None:
    code, out, _ = call(
        "process", simulated_events, "--out", tmp_path / "run", "--cluster", "threads"
    )
    assert code == 0
    assert "1 partitions" in out
    table = pq.read_table(tmp_path / "run" / "columns")
    assert set(table.column_names) >= CONTRACT_COLUMNS | {"label"}
    assert table["event"].type == "uint64"
    assert sum(table["label"].to_pylist()) == 20
    signal = np.array(table["mjj"])[np.array(table["label"]) == 1]
    assert np.median(signal) == pytest.approx(3500, rel=0.05)


def test_process_of_a_truncated_file_names_it(
    call: Call, simulated_events: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(simulated_events.read_bytes()[:20_000])
    code, _, err = call("process", broken, "--out", tmp_path / "run", "--cluster", "threads")
    assert code == 2
    assert "broken.h5" in err
    assert not list((tmp_path / "run").glob("columns/*"))


def test_good_file_beside_a_bad_one_is_not_lost(
    call: Call, simulated_events: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.h5"
    with h5py.File(broken, "w") as file:
        file["other"] = np.zeros(3)
    words = ("process", simulated_events, broken, "--out", tmp_path / "run", "--cluster", "threads")
    code, _, err = call(*words)
    assert code == 2
    assert "broken.h5" in err
    assert len(list((tmp_path / "run" / "columns").glob("*.parquet"))) == 1
    assert call(*words, "--set", "events.skip_bad_files=true")[0] == 0


def test_process_of_unknown_files_asks_for_the_format(call: Call, tmp_path: Path) -> None:
    (tmp_path / "events.dat").touch()
    code, _, err = call("process", tmp_path / "events.dat", "--out", tmp_path / "run")
    assert code == 2
    assert "cannot tell the format" in err
    assert "(--format): lhco, root, parquet" in err


def test_report_without_results_says_what_to_do(call: Call, tmp_path: Path) -> None:
    code, _, err = call("report", tmp_path)
    assert code == 2
    assert "run 'overdensity hunt' first" in err


def test_report_can_be_made_anew_from_a_copied_run(
    call: Call, finished_run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(finished_run, copy)
    (copy / "report.html").unlink()
    assert call("report", copy)[0] == 0
    assert (copy / "report.html").is_file()


def test_process_draws_what_it_has_made(call: Call, shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "root" / "delphes_zz4l.root"
    words = ("process", file, "--out", tmp_path / "run", "--processor", "leptons")
    code, out, _ = call(*words, "--cluster", "threads")
    assert code == 0
    assert "four leptons" in out
    pictures = {path.stem for path in (tmp_path / "run" / "control").glob("*.png")}
    assert pictures >= {"cutflow", "m4l", "mz1"}


def test_a_dry_run_shows_the_plan_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.root").touch()
    slurm = "cluster={kind: slurm, jobs: 3, options: {cores: 1, memory: 4GB, queue: short, interface: lo}}"
    code, out, _ = call("process", tmp_path, "--out", tmp_path / "run", "--set", slurm, "--dry-run")
    assert code == 0
    assert f"1 files of format root:\n  {tmp_path}/a.root" in out
    assert "#SBATCH -p short" in out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--processor", "dijets"), "no processor 'dijets': did you mean 'dijet'"),
        (("--features", "tau12"), "no jet feature 'tau12'"),
        (("--layout", "nanno"), "no layout 'nanno': did you mean 'nano'"),
        (("--set", "systematics={jes: x}"), "systematics: the key 'file' is missing"),
        (("--set", "systematics={jess: x}"), "systematics: unknown key 'jess'"),
        (("--set", "events.chunk_memory=lots"), "memory is a size such as '256 MB'"),
    ],
)
def test_process_refuses_unknown_names_before_it_starts(
    call: Call, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "a.root").touch()
    code, _, err = call("process", tmp_path / "a.root", "--out", tmp_path / "run", *words)
    assert code == 2
    assert complaint in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("command", "names"),
    [("processors", {"dijet", "multijet", "jets", "leptons"}), ("features", {"n", "image"})],
)
def test_what_there_is_can_be_listed(call: Call, command: str, names: set[str]) -> None:
    code, out, _ = call(command)
    assert code == 0
    assert all(name in out for name in names)
    listed = json.loads(call(command, "--json")[1])
    found = listed if isinstance(listed, dict) else {row["name"] for row in listed}
    assert names <= set(found)


def test_process_reads_delphes_trees(call: Call, shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "root" / "delphes_qcd.root"
    assert call("process", file, "--out", tmp_path / "run", "--cluster", "threads")[0] == 0
    table = pq.read_table(tmp_path / "run" / "columns")
    assert set(table.column_names) >= CONTRACT_COLUMNS
    assert len(table) == 250
    assert np.median(table["mjj"]) > 2000  # pTHat > 1.1 TeV
