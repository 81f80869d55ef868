"""Clusters whose workers go away, for a while or for good."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from overdensity.core import OverdensityError
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.cluster.patience import PatientExecutor, patience_of, set_patience
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.stages.processing.columns import make_columns
from overdensity.workflow.stages.run import Run

DESERTED = "processing: no worker has been left for 2 s.* what is done is kept"


def slowly(number: int) -> dict[str, set[int]]:
    time.sleep(0.2)
    return {"done": {number}}


slowly.__module__ = "__main__"  # workers cannot import a test module: it travels by value


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    """One worker that nobody starts again."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as started:
        yield started


@contextmanager
def later(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Do something while the context goes on."""
    timer = threading.Timer(seconds, action)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def wait_for(n_workers: int, client: Client) -> None:
    while len(client.scheduler_info(n_workers=-1)["workers"]) != n_workers:
        time.sleep(0.05)


def test_work_on_a_deserted_cluster_ends_in_one_sentence(cluster: LocalCluster) -> None:
    with cluster.get_client() as client:
        executor = PatientExecutor(client=client, status=False, patience=2)
        start = time.monotonic()
        with (
            later(1.0, lambda: cluster.scale(0)),
            pytest.raises(OverdensityError, match=DESERTED),
        ):
            executor(range(50), slowly, {})
        assert 2 < time.monotonic() - start < 8  # fifty of them would have taken ten seconds
        assert not client.futures
        forgotten = time.monotonic() + 10  # the scheduler hears of it a moment later
        while cluster.scheduler.tasks and time.monotonic() < forgotten:
            time.sleep(0.02)
        assert not cluster.scheduler.tasks


def test_work_survives_that_there_is_no_worker_for_a_while(cluster: LocalCluster) -> None:
    with cluster.get_client() as client:

        def go_and_come() -> None:
            cluster.scale(0)
            wait_for(0, client)
            time.sleep(1)
            cluster.scale(1)

        executor = PatientExecutor(client=client, status=False, patience=4)
        with later(0.5, go_and_come):
            result, _ = executor(range(10), slowly, {})
    assert result == {"done": set(range(10))}


def test_absences_are_not_added_up(cluster: LocalCluster) -> None:
    with cluster.get_client() as client:

        def go_and_come() -> None:
            for _ in range(3):
                cluster.scale(0)
                wait_for(0, client)
                time.sleep(0.8)
                cluster.scale(1)
                wait_for(1, client)
                time.sleep(0.3)

        executor = PatientExecutor(client=client, status=False, patience=2)
        with later(0.1, go_and_come):
            result, _ = executor(range(12), slowly, {})
    assert result == {"done": set(range(12))}


def test_other_work_of_the_client_is_left_alone(cluster: LocalCluster) -> None:
    with cluster.get_client() as client:
        kept = client.submit(slowly, 1, pure=False)
        assert kept.result() == {"done": {1}}
        waiting = client.submit(slowly, 2, workers=["nowhere"], pure=False)
        with later(0.5, lambda: cluster.scale(0)), pytest.raises(OverdensityError):
            PatientExecutor(client=client, status=False, patience=1)(range(9), slowly, {})
        assert not waiting.cancelled()
        waiting.cancel()


def test_a_scheduler_that_dies_ends_the_work_in_one_sentence(tmp_path: Path) -> None:
    note = tmp_path / "scheduler.json"
    module = [sys.executable, "-m"]
    scheduler = subprocess.Popen(
        [*module, "distributed.cli.dask_scheduler", "--host", "tcp://127.0.0.1:0",
         "--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", note],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    worker = subprocess.Popen(
        [*module, "distributed.cli.dask_worker", "--scheduler-file", note, "--nthreads", "1",
         "--no-nanny", "--no-dashboard", "--dashboard-address", "127.0.0.1:0",
         "--death-timeout", "60", "--local-directory", tmp_path],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not note.exists() or not note.read_text():
            time.sleep(0.05)
        with Client(scheduler_file=str(note)) as client:
            client.wait_for_workers(1, timeout=30)
            executor = PatientExecutor(client=client, status=False, patience=60)
            with (
                later(1.0, scheduler.kill),
                pytest.raises(OverdensityError, match="processing: the cluster's scheduler is"),
            ):
                executor(range(50), slowly, {})
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


def test_columns_on_a_deserted_cluster_keep_what_is_done(
    simulated_events: Path, tmp_path: Path
) -> None:
    search = parse_config(
        {
            "events": {"files": [str(simulated_events)], "chunk_events": 4},
            "cluster": {"kind": "threads", "patience": 2},
            "out": str(tmp_path),
        }
    )
    run = Run(search)
    with connect(search.cluster, 1) as client:
        assert patience_of(client) == 2

        def leave() -> None:
            while not list((tmp_path / "columns").glob("*.parquet")):
                time.sleep(0.02)
            client.cluster.scale(0)

        with later(0.1, leave), pytest.raises(OverdensityError, match=DESERTED):
            make_columns(run, client)
    made = {path.name for path in (tmp_path / "columns").glob("*.parquet")}
    assert 0 < len(made) < 13
    with connect("threads", 1) as client:
        report = make_columns(run, client)
    assert report is not None
    assert report.reused >= len(made)
    assert len(report.partitions) == 13


def test_patience_is_a_minute_unless_told(cluster: LocalCluster) -> None:
    with cluster.get_client() as client:
        assert patience_of(client) == 60
        set_patience(client, 5)
        assert patience_of(client) == 5
