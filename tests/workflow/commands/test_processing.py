from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

CONTRACT_COLUMNS = {
    "event", "mjj",
    *(f"{jet}_{name}" for jet in ("j1", "j2")
      for name in ("pt", "eta", "phi", "mass", "tau21", "tau32", "n")),
}  # fmt: skip

Call = Callable[..., tuple[int, str, str]]


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
    assert "(--format): lhco, parquet, root" in err


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


def test_process_reads_delphes_trees(call: Call, shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "root" / "delphes_qcd.root"
    assert call("process", file, "--out", tmp_path / "run", "--cluster", "threads")[0] == 0
    table = pq.read_table(tmp_path / "run" / "columns")
    assert set(table.column_names) >= CONTRACT_COLUMNS
    assert len(table) == 250
    assert np.median(table["mjj"]) > 2000  # pTHat > 1.1 TeV
