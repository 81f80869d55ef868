"""``overdensity validate compare``: files in, a table, a record and a figure out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.workflow.compare.compared_run import ComparedFiles

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data with harder leptons in region 2, and weighted simulation; regions 1, 2 and a poor 3."""
    rng, folder = np.random.default_rng(5), tmp_path_factory.mktemp("columns")
    paths = folder / "data.parquet", folder / "simulation.parquet"
    for path, n, weight in ((paths[0], 300, 1.0), (paths[1], 500, 0.6)):
        region = np.where(np.arange(n) < 5, 3, 1 + rng.integers(2, size=n))
        harder = 1 + 2 * (region == 2) * (weight == 1.0)
        columns = {
            "m4l": 180 + rng.exponential(150, n),
            "met": rng.exponential(40, n) * harder,
            "region": region,
            "half": region / 2,
            "weight": np.full(n, weight),
        }
        pq.write_table(pa.table(columns), path)
    return paths


@pytest.mark.figures
def test_a_difference_is_found_in_its_region(
    call: Call, files: tuple[Path, Path], tmp_path: Path
) -> None:
    options = ("--features", "m4l, met", "--groups", "region", "--out", tmp_path / "out")
    code, out, _ = call("validate", "compare", *files, *options, "--permutations", "499")
    assert code == 0
    found = ComparedFiles.from_json(tmp_path / "out" / "comparison.json")
    one, two, everywhere = found.result.regions
    assert (one.name, two.name, everywhere.name) == ("1", "2", "all")
    assert two.features[0].name == "met"
    assert one.p_local > 0.01
    assert found.result.p_global < 0.02
    assert found.provenance.configuration["groups"] == "region"
    assert "global p" in out
    assert "flag: region 3 is not compared: 5 events of data" in out
    assert (tmp_path / "out" / "comparison.png").is_file()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--features", "m4l,pt"), "data.parquet: no column 'pt'"),
        (("--features", "m4l,m4l"), "--features: 'm4l' cannot be compared"),
        (("--features", "m4l,label"), "'label' is no feature, but the label of each event"),
        (("--features", ","), "--features: '' cannot be compared"),
        (("--features", "m4l,met", "--groups", "met"), "--features: 'met' cannot be compared"),
        (("--features", "m4l", "--groups", "half"), "data.parquet: column 'half': "),
        (("--features", "m4l", "--folds", "1"), "compare: 1 folds"),
    ],
)
def test_what_cannot_be_compared_is_named(
    call: Call,
    files: tuple[Path, Path],
    tmp_path: Path,
    options: tuple[str, ...],
    sentence: str,
) -> None:
    code, _, error = call("validate", "compare", *files, *options, "--out", tmp_path / "out")
    assert code == 2
    assert sentence in error
    assert not (tmp_path / "out").exists()


def test_weighted_data_and_missing_files_are_refused(
    call: Call, files: tuple[Path, Path], tmp_path: Path
) -> None:
    data, simulation = files
    options = ("--features", "m4l", "--out", tmp_path / "out")
    assert (
        "'weight' of the data is not 1"
        in call("validate", "compare", simulation, data, *options)[2]
    )
    same = call("validate", "compare", data, data, *options)[2]
    assert "300 events are the same in both" in same
    bad = call("validate", "compare", data, simulation, *options, "--out", "/dev/null/x")[2]
    assert "/dev/null/x: cannot be written" in bad
    assert call("validate", "compare", data, tmp_path / "none.parquet", *options)[0] == 2
