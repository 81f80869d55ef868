"""What a report shows of features, and of constituents and images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.ml import Sample
from overdensity.processors.columns.histograms import from_uhi
from overdensity.workflow import parse_config
from overdensity.workflow.stages.feature_histograms import block_numbers, feature_histograms
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.samples import first_events, load_numbers


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Four events, of which the k-th has k + 1 constituents and lit pixels, in two files."""
    image = pa.list_(pa.list_(pa.float16(), 2), 2)
    particle = pa.struct({name: pa.float32() for name in ("pt", "eta", "phi")})
    for first in (0, 2):
        numbers = range(first, first + 2)
        lists = [[{"pt": 10.0, "eta": 0.1 * i, "phi": 0.0} for i in range(k + 1)] for k in numbers]
        pixels = [np.array([1.0] * (k + 1) + [0.0] * (3 - k)).reshape(2, 2) for k in numbers]
        columns = {
            "event": pa.array(numbers, pa.uint64()),
            "mjj": pa.array([3500.0, 2000.0] if first else [3500.0, 3500.0]),
            "j1_mass": pa.array([1.0 * k for k in numbers]),
            "j1_constituents": pa.array(lists, pa.list_(particle)),
            "j1_image": pa.array([each.astype(np.float16).tolist() for each in pixels], image),
        }
        pq.write_table(pa.table(columns), tmp_path / f"{first}.parquet")
    values = {
        "events": {"files": [str(tmp_path / "*.parquet")], "format": "columns"},
        "features": ["j1_mass", "j1_constituents", "j1_image"],
        "out": str(tmp_path / "run"),
    }
    return Run(parse_config(values))


def test_numbers_belong_to_the_events_that_are_asked_for(run: Run) -> None:
    found = block_numbers(run, np.array([2, 0], np.uint64))
    assert found["j1_constituents: number"].tolist() == [3, 1]
    assert found["j1_image: lit pixels"].tolist() == [3, 1]
    np.testing.assert_allclose(found["j1_image: ln brightest"], -np.log([3, 1]), atol=1e-3)


def test_numbers_that_are_the_same_for_all_are_left_out(run: Run) -> None:
    found = block_numbers(run, np.array([2, 0], np.uint64))
    assert "j1_constituents: ln pT" not in found  # each jet is normalised
    assert "j1_image: ln sum" not in found


def test_events_with_numbers_alone_have_none(run: Run) -> None:
    alone = Run(run.config.model_copy(update={"features": ("j1_mass",)}))
    assert block_numbers(alone, np.array([0], np.uint64)) == {}


def test_events_of_a_scan_are_read_without_their_blocks(run: Run) -> None:
    sample = load_numbers(run)
    assert sample.mass.tolist() == [3500.0, 3500.0, 3500.0]
    assert sample.columns == ("j1_mass",)


def test_the_first_events_show_all_that_a_method_gets(run: Run) -> None:
    assert first_events(run).columns == ("j1_mass", "j1_constituents", "j1_image")


def test_there_are_as_many_bins_as_few_events_fill(run: Run) -> None:
    rng, n = np.random.default_rng(1), 1000
    alone = Run(run.config.model_copy(update={"features": ("j1_mass",)}))
    columns = np.stack([rng.normal(size=n), rng.integers(10, 60, n)], axis=1)
    sample = Sample.from_arrays(np.full(n, 3500.0), columns, ("tau", "n"))
    few = np.arange(n) < 100
    shown = feature_histograms(alone, sample, {"all": np.ones(n, bool), "few": few})
    tau, whole = (from_uhi(shown[name]) for name in ("tau", "n"))
    assert tau.axes[1].size == 10  # the root of 100
    assert whole.axes[1].edges == pytest.approx(np.arange(9.5, 60, 5))  # five numbers each
    assert whole.values().sum(axis=1).tolist() == [1000, 100]
