"""Weights under another name, and weights that some of the files have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample

N = 50


def write(path: Path, more: dict[str, Any] | None = None, *, seed: int = 1) -> Path:
    rng = np.random.default_rng(seed)
    table = {"mjj": rng.uniform(3e3, 6e3, N), "x": rng.random(N)} | (more or {})
    pq.write_table(pa.table(table), path)
    return path


@pytest.mark.parametrize("name", ["genWeight", "mc_event_weight", "weights", "Weight"])
def test_weights_of_another_name_are_refused(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "a.parquet", {name: np.linspace(0.5, 1.5, N)})
    with pytest.raises(InputError, match=rf"a\.parquet: column '{name}' looks like weights"):
        Sample.from_parquet(file, features=("x",))


@pytest.mark.parametrize(
    "columns",
    [
        {"genWeight": np.ones(N)},  # of data, or of a simulation of equal events
        {"genWeight": np.full(N, np.nan)},
        {"genWeight": ["word"] * N},
        {"weight_pileup_up": np.linspace(0.5, 1.5, N)},
        {"genWeight": np.linspace(0.5, 1.5, N), "weight": np.ones(N)},
    ],
)
def test_what_says_nothing_of_weights_is_no_error(tmp_path: Path, columns) -> None:
    assert len(Sample.from_parquet(write(tmp_path / "a.parquet", columns), features=("x",))) == N


def test_files_of_one_weight_each_have_different_ones(tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"{name}.parquet", {"genWeight": np.full(N, weight)}, seed=seed)
        for name, weight, seed in (("a", 0.5, 1), ("b", 2.0, 2))
    ]
    with pytest.raises(InputError, match=r"b\.parquet: column 'genWeight' looks like weights"):
        Sample.from_parquet(files, features=("x",))


def test_a_column_that_is_asked_for_is_a_feature(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"genWeight": np.linspace(0.5, 1.5, N)})
    assert Sample.from_parquet(file, features=("genWeight",)).names == ("genWeight",)


def test_a_file_without_weights_beside_one_with_weights_counts_each_event_as_one(
    tmp_path: Path,
) -> None:
    files = [
        write(tmp_path / "a.parquet", {"weight": np.full(N, 0.5)}),
        write(tmp_path / "b.parquet", seed=2),
    ]
    sample = Sample.from_parquet(files, features=("x",))
    assert sample.weights.tolist() == [0.5] * N + [1.0] * N
