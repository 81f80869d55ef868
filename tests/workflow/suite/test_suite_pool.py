from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.workflow.suite.suite_pool import read_pool

from .conftest import suite_of


@pytest.fixture
def changed(suite_pool: Path, tmp_path: Path, values: dict[str, Any]) -> Any:
    """Give the background of the pool another column, and return the suite."""

    def change(name: str, column: Any) -> Any:
        table = pq.read_table(suite_pool / "background.parquet")
        path = tmp_path / "changed.parquet"
        pq.write_table(table.append_column(name, pa.array(column(len(table)))), path)
        return suite_of(values, f"pool.backgrounds.qcd={path}")

    return change


def test_columns_of_all_sources_are_kept_but_for_the_truth(changed: Any) -> None:
    config = changed("label", lambda n: np.zeros(n, np.int8))
    pool = read_pool(config, "mjj", ("j1_mass",))
    assert pool.events == {"qcd": 5000, "xy": 900}
    names = {"mjj", *(f"j{k}_{what}" for k in (1, 2) for what in ("mass", "tau21", "tau32"))}
    assert all(set(columns) == names for columns in pool.sources.values())


def test_a_column_that_not_all_sources_have_is_left_out_or_missed(changed: Any) -> None:
    config = changed("ht", np.ones)
    assert "ht" not in read_pool(config, "mjj", ()).backgrounds["qcd"]
    with pytest.raises(InputError, match="pool: xy has no column 'ht'; simulate all sources with"):
        read_pool(config, "mjj", ("ht",))


def test_signal_among_the_background_is_refused(changed: Any) -> None:
    config = changed("label", lambda n: np.arange(n) < 3)
    with pytest.raises(InputError, match=r"pool.backgrounds.qcd: 3 of 5000 events are not backgr"):
        read_pool(config, "mjj", ())


def test_what_is_no_parquet_file_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "text.parquet"
    path.write_text("events")
    with pytest.raises(InputError, match=r"text.parquet: not a Parquet file that can be read"):
        read_pool(suite_of(values, f"pool.signals.xy.files={path}"), "mjj", ())


def test_energies_are_scaled_and_cuts_are_made_after_that(values: dict[str, Any]) -> None:
    config = suite_of(values, "boxes.region={cuts: {mjj: {above: 4000}}}")
    pool = read_pool(config, "mjj", ())
    columns = pool.signals["xy"]
    passing = columns["mjj"] * np.float32(1.1) >= 4000
    found = pool.scaled(columns, ("j1_mass", "j1_tau21"), 1.1, config.boxes)
    assert found["mjj"] == pytest.approx(1.1 * columns["mjj"][passing])
    assert found["j1_mass"] == pytest.approx(1.1 * columns["j1_mass"][passing])
    assert np.array_equal(found["j1_tau21"], columns["j1_tau21"][passing])
    assert found["mjj"].dtype == np.float32
