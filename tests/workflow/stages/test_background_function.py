"""What the background function fabricates is measured where the configuration says, on all events."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from overdensity.workflow.config.reading import load_config
from overdensity.workflow.stages.background_function import (
    all_counts,
    function_choice,
    spurious_of,
)
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.samples import load_sample
from overdensity.workflow.stages.scores import read_scores

from ...conftest import make_box


@pytest.fixture
def run(finished_run: Path, search_file: Path) -> Run:
    """Return the finished search, in this test's own folder."""
    shutil.copytree(finished_run / "scores", search_file.parent / "run" / "scores")
    return Run(load_config(search_file))


def test_spurious_signal_is_measured_where_the_configuration_says(
    run: Run, search_file: Path, tmp_path: Path
) -> None:
    counts = all_counts(run, read_scores(run))
    assert spurious_of(run, counts) is None  # by default nowhere: a signal would hide itself
    on_data = spurious_of(Run(load_config(search_file, ["fit.spurious=data"])), counts)
    assert on_data is not None
    assert len(on_data.fraction) == len(run.windows)
    simulation = make_box(tmp_path / "simulation.parquet", background=9000, signal=0, seed=8)
    elsewhere = Run(load_config(search_file, [f"fit.spurious=[{simulation}]"]))
    on_simulation = spurious_of(elsewhere, counts)
    assert on_simulation is not None
    counted = load_sample(run, [str(simulation)]).mass
    low, high = run.regions[0]
    assert on_simulation.observed[0] == np.count_nonzero((counted >= low) & (counted < high))


def test_function_is_chosen_for_the_spectrum_without_selection(run: Run) -> None:
    counts = all_counts(run, read_scores(run))
    assert function_choice(run, counts).function in ("dijet3", "dijet4", "dijet5")
