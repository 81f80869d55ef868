"""Processing, and the search of the quickstart's size, on SLURM, whose jobs are the workers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from distributed import Client

from overdensity.core import ConfigError
from overdensity.workflow import load_config, run_search
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.config.cluster import ClusterConfig
from overdensity.workflow.stages.processing.columns import make_columns

from .conftest import processing_on, slurm_says, wait_until
from .event_files import columns

pytestmark = pytest.mark.facilities

JOB = {"cores": 1, "memory": "1500MB", "interface": "lo", "walltime": "00:10:00"}


def cluster(slurm: Path, **changes: Any) -> dict[str, Any]:
    """Return the description of two workers that are jobs."""
    options = JOB | {"log_directory": str(slurm), "local_directory": str(slurm)}
    return {"kind": "slurm", "workers": 2, "options": options, "patience": 120} | changes


def without_provenance(folder: Path) -> dict[str, Any]:
    results = json.loads((folder / "results.json").read_text())
    # The checksum is of the provenance too.
    return {key: results[key] for key in results if key not in {"provenance", "checksum"}}


def jobs() -> list[str]:
    return slurm_says("squeue", "-h", "-t", "R", "-o", "%i").split()


def test_search_on_batch_jobs_gives_what_it_gives_here(
    slurm: Path, search_on: Callable[..., Path], finished_run: Path
) -> None:
    search = search_on("slurm", cluster(slurm))
    done = subprocess.run(
        [sys.executable, "-m", "overdensity", "run", search, "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "waiting for workers" in done.stderr
    assert without_provenance(search.parent / "run") == without_provenance(finished_run)
    assert len(list(slurm.glob("dask-worker-*.out"))) >= 2  # each job has its log
    assert not jobs()


def test_a_cancelled_job_loses_nothing(
    slurm: Path, search_on: Callable[..., Path], finished_run: Path
) -> None:
    search = search_on("cancelled", cluster(slurm))
    scores = search.parent / "run" / "scores"
    seen: dict[str, list[str]] = {}

    def cancel_when_some_is_done() -> None:
        while not list(scores.rglob("*.parquet")) or len(jobs()) < 2:
            time.sleep(0.05)
        seen["before"] = jobs()
        slurm_says("scancel", "--full", seen["before"][0])

    canceller = threading.Thread(target=cancel_when_some_is_done, daemon=True)
    canceller.start()
    run_search(load_config(search))
    canceller.join(1)
    assert seen["before"]
    assert without_provenance(search.parent / "run") == without_provenance(finished_run)


def test_columns_made_by_batch_jobs_are_those_made_here(
    slurm: Path, event_file: Path, columns_made_here: list[bytes], tmp_path: Path
) -> None:
    config = processing_on(event_file, cluster(slurm), tmp_path).config
    file = tmp_path / "process.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "overdensity", "process", file, "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert columns(out) == columns_made_here


def executed_by(client: Client, address: str) -> list[str]:
    """Return the tasks that a worker works on at this moment."""

    def keys(dask_worker: Any) -> list[str]:
        return [str(task.key) for task in dask_worker.state.executing]

    return client.run(keys, workers=[address])[address]


executed_by.__module__ = "__main__"  # workers cannot import a test module: it travels by value


@pytest.mark.parametrize("how", ["TERM", "KILL"])
def test_a_job_cancelled_while_it_works_on_a_chunk_loses_nothing(
    slurm: Path, event_file: Path, columns_made_here: list[bytes], tmp_path: Path, how: str
) -> None:
    """The scheduler's own record of the lost worker says which chunks were on it."""
    run = processing_on(event_file, cluster(slurm), tmp_path)
    folder = tmp_path / "columns"
    lost: dict[str, Any] = {}

    def cancel_one_at_work(client: Client) -> None:
        while True:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            made = len(list(folder.glob("*.parquet")))
            for address, worker in workers.items():
                if len(workers) == 2 and 3 <= made < 30 and executed_by(client, address):
                    job = cast("Any", client.cluster).workers[worker["name"]].job_id
                    slurm_says("scancel", "--full", f"--signal={how}", job)
                    lost.update(address=address, job=job, made=made)
                    return
            time.sleep(0.02)

    with connect(run.config.cluster) as client:
        client.wait_for_workers(2, timeout=60)
        canceller = threading.Thread(target=cancel_one_at_work, args=[client], daemon=True)
        canceller.start()
        report = make_columns(run, client)
        canceller.join(1)
        assert lost
        events = [event for _, event in client.get_events("all")]
        (gone,) = [
            event
            for event in events
            if event["action"] == "remove-worker" and event["worker"] == lost["address"]
        ]
    assert gone["processing-tasks"]
    assert report is not None
    assert (report.events_read, report.bad_files) == (6000, {})
    assert columns(tmp_path) == columns_made_here
    assert not list(folder.glob(".*"))  # what the dead worker had begun to write


def test_a_cancelled_job_is_replaced(slurm: Path) -> None:
    with connect(ClusterConfig.model_validate(cluster(slurm))) as client:
        client.wait_for_workers(2, timeout=60)
        before = set(jobs())
        slurm_says("scancel", "--full", min(before))
        wait_until(lambda: len(set(jobs()) - before) == 1, "another job runs", seconds=60)
        client.wait_for_workers(2, timeout=60)


def test_what_sbatch_says_reaches_the_user(slurm: Path) -> None:
    description = cluster(slurm)
    description["options"]["queue"] = "nowhere"
    with (
        pytest.raises(ConfigError, match=r"sbatch refused the job: .*invalid partition"),
        connect(ClusterConfig.model_validate(description)),
    ):
        pass
