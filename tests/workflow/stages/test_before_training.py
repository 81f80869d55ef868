"""What cannot be searched, learnt from or told apart from the data is refused before any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.core import FitError, InputError
from overdensity.ml import Sample
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.stages.before_training import (
    check_pseudo_datasets,
    check_simulation,
    refuse_searched,
)
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.samples import load_numbers

from ...conftest import make_box


@pytest.fixture
def run(search_file: Path) -> Run:
    """Return a search that has not begun."""
    return Run(load_config(search_file))


def test_events_of_the_search_are_known_by_what_they_are(run: Run, tmp_path: Path) -> None:
    """Not by the names of files, nor by ids, which may begin anew in each."""
    data = load_numbers(run)
    some = data.take(np.arange(0, len(data), 3))
    other = Sample.from_arrays(some.mass, some.features, some.names)
    with pytest.raises(InputError, match=r"events and signal: \d+ events are the same in both"):
        refuse_searched(run, other, "signal")
    apart = make_box(tmp_path / "other.parquet", background=6000, signal=0, seed=2)
    refuse_searched(
        run, Sample.from_parquet([str(apart)], mass="mjj", features=data.names), "signal"
    )


def test_by_the_mass_alone_no_event_is_known(run: Run) -> None:
    data = load_numbers(run)
    refuse_searched(run, Sample.from_arrays(data.mass, np.empty((len(data), 0)), []), "simulation")


def test_simulation_that_can_be_used_is_left_alone(search_file: Path, tmp_path: Path) -> None:
    path = make_box(tmp_path / "qcd.parquet", background=9000, signal=0, seed=3)
    signal = make_box(tmp_path / "signal.parquet", background=0, signal=100, seed=4)
    keys = [f"fit.spurious=[{path}]", f"signal=[{signal}]", f"pseudo_datasets.simulation=[{path}]"]
    run = Run(load_config(search_file, keys))
    check_simulation(run)
    check_pseudo_datasets(run)


def test_a_copy_of_the_searched_file_shows_no_spurious_signal(
    search_file: Path, box: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.parquet").symlink_to(box)
    run = Run(load_config(search_file, [f"fit.spurious=[{tmp_path / 'link.parquet'}]"]))
    with pytest.raises(InputError, match=r"link\.parquet holds the events that are searched"):
        check_simulation(run)


def test_simulation_that_the_function_cannot_be_fitted_to_is_named(
    search_file: Path, tmp_path: Path
) -> None:
    path = make_box(tmp_path / "few.parquet", background=1, signal=0, seed=3)
    run = Run(load_config(search_file, [f"fit.spurious=[{path}]"]))
    with pytest.raises(FitError, match=r"fit\.spurious: .*few\.parquet: only \d bins outside"):
        check_simulation(run)


def test_too_few_events_for_a_pseudo_dataset_are_said(search_file: Path, tmp_path: Path) -> None:
    path = make_box(tmp_path / "few.parquet", background=900, signal=0, seed=3)
    run = Run(load_config(search_file, [f"pseudo_datasets.simulation=[{path}]"]))
    with pytest.raises(InputError, match="takes 6120 simulated background events"):
        check_pseudo_datasets(run)
