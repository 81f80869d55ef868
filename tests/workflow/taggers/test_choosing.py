"""Features from files, and the file of those that were chosen: processors and searches read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.tagging.feature_choice import ChoiceHyper
from overdensity.processors import DijetProcessor
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.taggers.choosing import choose_to_file, numbers_of


@pytest.fixture
def columns(tmp_path: Path) -> str:
    """Jets whose third polynomial of a list tells the classes apart."""
    rng, n = np.random.default_rng(1), 600
    signal = np.arange(n) % 2 == 1
    efps = rng.normal(size=(n, 4))
    efps[:, 2] += 2.0 * signal
    table = {
        "event": np.arange(n, dtype=np.uint64),
        "label": signal.astype(np.int8),
        "mass": rng.normal(0.5 * signal),
        "efps_b2": pa.FixedSizeListArray.from_arrays(pa.array(efps.ravel().astype("f4")), 4),
        "run": pa.array(["a"] * n),
    }
    pq.write_table(pa.table(table), tmp_path / "jets.parquet")
    return str(tmp_path / "jets.parquet")


def test_each_polynomial_is_a_column(columns: str) -> None:
    table = pq.read_table(columns)
    other = columns.replace("jets", "other")
    pq.write_table(table.set_column(2, "mass", pa.array(table["mass"].to_numpy() + 1)), other)
    x, names, label, event = numbers_of([columns, other], ["mass", "efps_b2"])
    assert names == ["mass", "efp0_b2", "efp1_b2", "efp2_b2", "efp3_b2"]
    assert x.shape == (1200, 5)
    assert len(label) == len(event) == 1200
    with pytest.raises(InputError, match="600 of 1200 jets are equal to another"):
        numbers_of([columns, columns], ["mass"])


def test_what_was_chosen_is_read_by_processors_and_searches(columns: str, tmp_path: Path) -> None:
    out = tmp_path / "chosen.json"
    hyper = ChoiceHyper(most=1, jets=200)
    choose_to_file([columns], out, candidates=["efps_b2"], start=["mass"], hyper=hyper, seed=1)
    assert not list(tmp_path.glob("*.unfinished"))
    processor = DijetProcessor(features=("tau21", {"names": str(out)}))
    assert processor.features == ("tau21", "efp2_b2")  # the mass is there anyway
    features = [{"names": str(out), "of": ["j1"]}]
    config = parse_config({"events": {"files": ["box.parquet"]}, "features": features})
    assert config.features == ("j1_mass", "j1_efp2_b2")


def test_columns_that_cannot_be_used_are_named(columns: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'efps'; did you mean 'efps_b2'"):
        numbers_of([columns], ["efps"])
    with pytest.raises(ConfigError, match="column 'run' holds string; candidates are numbers"):
        numbers_of([columns], ["run"])
    with pytest.raises(ConfigError, match=r"none\.json: no such file of names"):
        parse_config({"events": {"files": ["x"]}, "features": [{"names": "none.json"}]})
    with pytest.raises(ConfigError, match="no jet feature 'pt'"):
        DijetProcessor(features=("pt",))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("label", pa.array(["top"] * 600), "column 'label' holds string, not whole numbers"),
        ("label", pa.array([None, 0, 1] * 200), "column 'label' is missing in 200 of 600"),
        ("mass", pa.array([None, 0, 1] * 200), "column 'mass' is missing in 200 of 600"),
        ("weight", pa.array([-1.0] * 600), "have different weights"),
        ("efps_b2", pa.array([[1.0], None, [2.0]] * 200, pa.list_(pa.float32(), 1)), "is missing in 200"),
    ],
)  # fmt: skip
def test_values_that_are_missing_or_words_are_named(
    columns: str, name: str, values: pa.Array, said: str
) -> None:
    table = pq.read_table(columns)
    table = table.drop_columns(name) if name in table.column_names else table
    pq.write_table(table.append_column(name, values), columns)
    with pytest.raises((InputError, ConfigError), match=rf"jets\.parquet: .*{said}"):
        numbers_of([columns], ["efps_b2", "mass"])


def test_what_cannot_be_chosen_is_said_before_it_is_read(tmp_path: Path) -> None:
    options = {"start": [], "hyper": ChoiceHyper(), "seed": 1}
    with pytest.raises(ConfigError, match="'label' is no feature, but the label of each event"):
        choose_to_file(["none"], tmp_path / "a.json", candidates=["x", "label"], **options)
    with pytest.raises(InputError, match="a folder; give the name of a file"):
        choose_to_file(["none"], tmp_path, candidates=["x"], **options)


def test_a_column_that_stands_twice_is_refused(columns: str) -> None:
    table = pq.read_table(columns)
    pq.write_table(table.append_column("mass", table["mass"]), columns)
    with pytest.raises(InputError, match="has the column 'mass' twice"):
        numbers_of([columns], ["mass"])


def test_files_with_lists_of_other_lengths_are_refused(columns: str, tmp_path: Path) -> None:
    table = pq.read_table(columns)
    short = pa.array([[1.0, 2.0]] * 600, pa.list_(pa.float32(), 2))
    other = tmp_path / "other.parquet"
    pq.write_table(table.drop_columns("efps_b2").append_column("efps_b2", short), other)
    with pytest.raises(InputError, match=r"other\.parquet: no 'efp2_b2' in some of them"):
        numbers_of([columns, str(other)], ["efps_b2"])
