"""The same events in three formats, on three kinds of executors: the same columns and histograms."""

from __future__ import annotations

from collections.abc import Iterator
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

from .conftest import write_flat


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
def executors(pool) -> Iterator[dict[str, Any]]:
    """One of each kind; their processes live as long as the tests of this module."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield {
            "iterative": IterativeExecutor(),
            "futures": FuturesExecutor(pool=pool),
            "dask": DaskExecutor(client=client),
        }


def run(
    given: tuple[str, Source], out: Path, executor: Any
) -> tuple[pd.DataFrame, ProcessingReport]:
    path, source = given
    report = process([path], out, source=source, executor=executor, chunk_events=25)
    return pd.read_parquet(out / "columns"), report


@pytest.mark.parametrize("executor", ["iterative", "futures", "dask"])
@pytest.mark.parametrize("name", ["hdf5", "root", "parquet"])
def test_columns_are_the_same_bit_for_bit(  # noqa: PLR0917 - fixtures
    name, executor, formats, executors, expected, tmp_path
) -> None:
    table, report = run(formats[name], tmp_path, executors[executor])
    pd.testing.assert_frame_equal(table, expected[0], check_exact=True)
    assert (report.cutflow, report.hists) == (expected[1].cutflow, expected[1].hists)
    assert len(report.partitions) == 3
