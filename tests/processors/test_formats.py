"""The same events in three formats, on four kinds of executors: the same columns and histograms."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import uproot
from coffea.processor import DaskExecutor, FuturesExecutor, IterativeExecutor
from distributed import Client, LocalCluster

from overdensity.processors import (
    LhcoSource,
    ParquetSource,
    ProcessingReport,
    RootSource,
    Source,
    process,
    read_events,
)
from overdensity.processors.sources.parquet import write_flat


@pytest.fixture(scope="module")
def formats(lhco_file, tmp_path_factory) -> dict[str, tuple[str, Source]]:
    folder = tmp_path_factory.mktemp("formats")
    events = read_events(LhcoSource(), lhco_file)
    write_flat(folder / "events.parquet", events)
    with uproot.recreate(folder / "events.root") as file:
        columns = {f"particles_{x}": events.particles[x] for x in ("pt", "eta", "phi")}
        file.mktree("events", {**columns, "label": events.label})
    return {
        "hdf5": (str(lhco_file), LhcoSource()),
        "root": (f"{folder}/events.root", RootSource()),
        "parquet": (f"{folder}/events.parquet", ParquetSource()),
    }


@pytest.fixture(scope="module")
def expected(formats, tmp_path_factory) -> tuple[pd.DataFrame, ProcessingReport]:
    return run(formats["hdf5"], tmp_path_factory.mktemp("hdf5"), None)


@pytest.fixture(scope="module")
def executors(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """One of each kind; the clusters live as long as the tests of this module."""
    meeting = tmp_path_factory.mktemp("scheduler") / "scheduler.json"
    dask, common = [sys.executable, "-m"], ["--no-dashboard", "--scheduler-file", str(meeting)]
    here = ["--host", "127.0.0.1"]
    with ExitStack() as stack:
        for role, extra in (("scheduler", ["--port", "0"]), *2 * [("worker", ["--nthreads", "1"])]):
            command = [*dask, f"distributed.cli.dask_{role}", *here, *extra, *common]
            started = subprocess.Popen(command, cwd=meeting.parent, stderr=subprocess.DEVNULL)
            stack.callback(started.wait)
            stack.callback(started.terminate)
        while not meeting.exists():
            time.sleep(0.05)
        by_hand = stack.enter_context(Client(scheduler_file=str(meeting)))
        by_hand.wait_for_workers(2, timeout=60)
        local = stack.enter_context(
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
        )
        client = stack.enter_context(Client(local))
        yield {
            "iterative": IterativeExecutor(),
            "futures": FuturesExecutor(workers=2),
            "dask": DaskExecutor(client=client),
            "by hand": DaskExecutor(client=by_hand),
        }


def run(
    given: tuple[str, Source], out: Path, executor: Any
) -> tuple[pd.DataFrame, ProcessingReport]:
    path, source = given
    report = process([path], out, source=source, executor=executor, chunk_events=25)
    return pd.read_parquet(out / "columns"), report


@pytest.mark.parametrize("executor", ["iterative", "futures", "dask", "by hand"])
@pytest.mark.parametrize("name", ["hdf5", "root", "parquet"])
def test_columns_are_the_same_bit_for_bit(  # noqa: PLR0917 - fixtures
    name, executor, formats, executors, expected, tmp_path
) -> None:
    table, report = run(formats[name], tmp_path, executors[executor])
    pd.testing.assert_frame_equal(table, expected[0], check_exact=True)
    assert (report.cutflow, report.hists) == (expected[1].cutflow, expected[1].hists)
    assert len(report.partitions) == 3
