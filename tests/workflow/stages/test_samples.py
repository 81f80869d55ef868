"""What is read of columns: range, weights, labels and ids, for each kind of events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.samples import (
    load_masses,
    load_sample,
    load_signal,
    load_simulation,
    read_columns,
    signal_total,
    weight_flags,
)

from ...conftest import HIGH, LOW


@pytest.fixture
def run(search_file: Path) -> Run:
    return Run(load_config(search_file))


def written(path: Path, mass: np.ndarray, **columns: np.ndarray) -> str:
    """Write events whose features are their numbers."""
    number = np.arange(len(mass), dtype=float)
    pq.write_table(pa.table({"mjj": mass, "j1_mass": number, "j1_tau21": number, **columns}), path)
    return str(path)


def test_events_are_those_within_the_scan_in_the_order_of_the_files(
    run: Run, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.parquet", np.array([2999.0, HIGH, 4000.0, LOW]))
    sample = load_sample(run, [path])
    assert sample.mass.tolist() == [4000.0, LOW]
    assert sample.features[:, 0].tolist() == [2.0, 3.0]


def test_by_default_they_are_the_columns_of_the_run(run: Run, box: Path) -> None:
    assert len(load_sample(run)) == pq.read_metadata(box).num_rows


def test_range_without_events_is_named(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", np.array([3.5, 4.0]))
    between = "none of 2 events has mjj between 3000 and 5000 GeV, but from 3.5 to 4; is it in GeV"
    with pytest.raises(InputError, match=between):
        load_sample(run, [path])
    path = written(tmp_path / "b.parquet", np.array([]))
    with pytest.raises(InputError, match=r"b\.parquet: no events in it; take other files"):
        load_sample(run, [path])


def test_a_region_cuts_on_columns_that_are_no_features(search_file: Path, tmp_path: Path) -> None:
    eta = np.array([0.1, 2.0, 1.3, 0.5])
    path = written(tmp_path / "a.parquet", np.array([4000.0, 4000.0, LOW, 2000.0]), eta=eta)
    search = load_config(search_file, ["region={cuts: {eta: {below: 1.3}, j1_mass: {below: 9}}}"])
    assert search.region is not None
    run, other = Run(search), Run(search.model_copy(update={"region": search.region.opposite}))
    inside, outside = load_sample(run, [path]), load_sample(other, [path])
    assert (inside.mass.tolist(), sorted(outside.mass)) == ([4000.0], [LOW, 4000.0])
    assert inside.names == ("j1_mass", "j1_tau21")
    assert inside.features.tolist() == [[0.0, 0.0]]
    assert len(load_masses(run, [path])) == signal_total(run, [path]) == 2
    assert len(load_signal(other, [path], weights="refused")) == 2


def test_weighted_events_are_not_counted(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", np.full(3, 4000.0), weight=np.array([1.0, 2.0, 1.0]))
    with pytest.raises(InputError, match=r"a\.parquet: events have different weights"):
        load_sample(run, [path])
    with pytest.raises(InputError, match="different weights"):
        load_signal(run, [path], weights="refused")
    equal = written(tmp_path / "b.parquet", np.full(3, 4000.0), weight=np.full(3, 0.2))
    assert load_sample(run, [equal]).weight is None
    negative = written(tmp_path / "c.parquet", np.full(3, 4000.0), weight=np.full(3, -1.0))
    with pytest.raises(InputError, match="different weights"):
        load_sample(run, [negative])


def test_weights_of_the_searched_events_alone_are_dropped_and_it_is_said(
    search_file: Path, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.parquet", np.full(3, 4000.0), weight=np.array([1.0, 2.0, -1.5]))
    run = Run(load_config(search_file, [f"events.files=[{path}]", "events.weights=dropped"]))
    assert load_sample(run).weight is None
    (flag,) = weight_flags(run)
    assert "weights (0.5 on average) and count as one each" in flag
    other = written(tmp_path / "b.parquet", np.full(3, 4000.0), weight=np.array([1.0, 2.0, 1.0]))
    with pytest.raises(InputError, match="different weights"):
        load_sample(run, [other])


def test_simulation_keeps_its_weights_and_loses_its_labels(
    search_file: Path, tmp_path: Path
) -> None:
    weight, label = np.array([0.5, 2.0, 1.0]), np.zeros(3, np.int8)
    path = written(
        tmp_path / "a.parquet", np.array([4000.0, 4100.0, 9000.0]), weight=weight, label=label
    )
    overrides = ["method={name: idealised}", f"simulation={path}"]
    simulation = load_simulation(Run(load_config(search_file, overrides)))
    assert simulation is not None
    assert simulation.weight is not None
    assert simulation.weight.tolist() == [0.5, 2.0]
    assert simulation.label is None


def test_simulation_is_none_for_a_method_that_takes_none(run: Run) -> None:
    assert load_simulation(run) is None


def test_simulation_that_is_needed_and_missing_is_refused(search_file: Path) -> None:
    with pytest.raises(ConfigError, match="'idealised' needs simulated background"):
        load_simulation(Run(load_config(search_file, ["method={name: idealised}"])))


def test_signal_is_read_at_all_masses(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", np.array([100.0, 4000.0]), label=np.ones(2, np.int8))
    signal = load_signal(run, [path], weights="refused")
    assert signal.mass.tolist() == [100.0, 4000.0]
    assert signal.label is None


def test_weighted_signal_is_thinned(run: Run, tmp_path: Path) -> None:
    weight = np.random.default_rng(4).uniform(0, 2, 20_000)
    path = tmp_path / "weighted.parquet"
    columns = {"mjj": 3000 + 500 * weight, "j1_mass": weight, "j1_tau21": weight, "weight": weight}
    pq.write_table(pa.table(columns), path)
    thinned = load_signal(run, [str(path)], weights="thinned")
    assert len(thinned) == pytest.approx(10_000, rel=0.05)
    expected = np.average(weight, weights=weight)
    assert thinned.features[:, 0].mean() == pytest.approx(expected, rel=0.02)
    assert thinned.weight is None
    assert signal_total(run, [str(path)]) == pytest.approx(weight.sum())


def test_negative_weights_are_refused(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "w.parquet", np.full(3, 4e3), weight=np.array([1.0, -1.0, 1.0]))
    with pytest.raises(InputError, match="negative or no weights"):
        load_signal(run, [path], weights="thinned")


def test_signal_without_events_is_refused(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "none.parquet", np.zeros(0))
    with pytest.raises(InputError, match="no signal events in it"):
        load_signal(run, [path], weights="thinned")


@pytest.mark.parametrize("weights", ["refused", "thinned"])
def test_ids_of_the_signal_are_not_those_of_the_data(
    weights, run: Run, box: Path, tmp_path: Path
) -> None:
    ids = np.arange(1000, dtype=np.uint64)
    path = written(tmp_path / "same.parquet", np.full(1000, 4e3), event=ids)
    signal = load_signal(run, [path], weights=weights)
    assert not set(signal.event) & set(ids)
    assert len(np.unique(signal.event)) == 1000


def test_masses_are_read_without_features(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"mjj": [10.0, 4000.0]}), tmp_path / "masses.parquet")
    sample = load_masses(run, [str(tmp_path / "masses.parquet")])
    assert sorted(sample.mass.tolist()) == [10.0, 4000.0]  # in the order of the ids
    assert sample.names == ()


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", np.full(3, 4e3))

    def read():
        return read_columns([path], mass="mjj", features=("j1_mass",), weights="kept").sample

    first = read()
    assert read() is first
    written(tmp_path / "a.parquet", np.full(5, 4e3))
    assert len(read()) == 5
