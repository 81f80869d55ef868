"""Recipes on a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from overdensity.workflow.config.recipe import load_recipe
from overdensity.workflow.simulation_run import run_simulation

pytest.importorskip("pythia8mc")


def test_a_dask_cluster_gives_the_same_bytes_as_this_process(tmp_path: Path) -> None:
    config = load_recipe("rnd", ["composition={qcd: 3, signal: 0}", "chunk_events=2"])
    written = {}
    for cluster in ("local", "threads"):
        out = tmp_path / f"{cluster}.h5"
        where = load_recipe("rnd", [f"cluster={cluster}", "workers=1"]).cluster
        report = run_simulation(replace(config, out=out, cluster=where, workers=1))
        assert report.processes["qcd"].chunks > 1
        written[cluster] = out.read_bytes()
    assert written["local"] == written["threads"]
