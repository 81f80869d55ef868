"""Nuisances of a signal model: each has its name, and makes its limit weaker."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.stats import SelectionResult, WindowResult
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.limits.signal_models import read_signal_models
from overdensity.workflow.limits.signal_nuisances import nuisances_of
from overdensity.workflow.limits.yield_limits import window_limits
from overdensity.workflow.stages.run import Run

from ...conftest import make_box

ALL = "uncertainties={luminosity: 0.03, tagger: 0.2, position: 0.02, width: 0.3, variations: jes}"


@pytest.fixture
def signal_file(tmp_path: Path) -> str:
    """Return a signal with its varied columns beside it, as `process` leaves them."""
    (tmp_path / "columns").mkdir()
    path = make_box(tmp_path / "columns" / "zprime.parquet", background=0, signal=500, seed=7)
    table = pq.read_table(path)
    place = table.column_names.index("mjj")
    for name, size in (("jes_up", 1.03), ("jes_down", 0.97)):
        folder = tmp_path / "variations" / name / "columns"
        folder.mkdir(parents=True)
        varied = table.set_column(place, "mjj", [table["mjj"].to_numpy() * size])
        pq.write_table(varied, folder / "zprime.parquet")
    return str(path)


def nuisances(search_file: Path, signal: str, *more: str) -> dict[str, dict[str, float]]:
    run = Run(load_config(search_file, [f"limits.signals={{A: {signal}}}", *more]))
    assert run.config.limits is not None
    (model,) = read_signal_models(run, run.config.limits)
    return {each["name"]: each["data"] for each in nuisances_of(run, model)}


def test_each_uncertainty_has_its_name(search_file: Path, signal_file: str) -> None:
    found = nuisances(search_file, signal_file, ALL, "limits.luminosity=10")
    assert set(found) == {"luminosity", "tagger", "position", "width", "jes"}
    assert found["tagger"]["hi"] == pytest.approx(1.2)
    assert found["width"]["hi"] < 1 < found["width"]["lo"]  # a wider peak leaves the region
    assert found["jes"] != {"hi": 1.0, "lo": 1.0}


def test_the_luminosity_is_of_cross_sections(search_file: Path, signal_file: str) -> None:
    assert "luminosity" not in nuisances(search_file, signal_file, ALL)
    assert nuisances(search_file, signal_file) == {}


def test_each_nuisance_makes_the_limit_weaker(search_file: Path, signal_file: str) -> None:
    row = SelectionResult(0.1, 52, 50.0, 5.0, 0.0, 0.3, 0.5, 8.0, 9, 0.5, False, False)
    window = WindowResult(3464.1, 3000.0, 4000.0, row, (row,))
    exact = window_limits(window, 0.95).selections[0]
    for name, size in (("tagger", 0.3), ("width", 0.5), ("position", 0.04)):
        given = f"uncertainties.{name}={size}"
        (data,) = nuisances(search_file, signal_file, given).values()
        modifier = {"name": name, "type": "normsys", "data": data}
        loose = window_limits(window, 0.95, [modifier]).selections[0]
        assert loose.observed > exact.observed
        # Of the signal alone: what is expected of a background fluctuation stays.
        assert loose.selection == exact.selection


def test_a_signal_without_its_varied_columns_is_refused(search_file: Path, tmp_path: Path) -> None:
    path = make_box(tmp_path / "signal.parquet", background=0, signal=50, seed=7)
    with pytest.raises(InputError, match="this signal has no columns 'jes_up' beside it"):
        nuisances(search_file, str(path), "uncertainties.variations=jes")
