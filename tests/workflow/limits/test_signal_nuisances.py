"""Nuisances of a signal model: each has its name, and makes its limit weaker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.stats import SelectionResult, WindowResult
from overdensity.stats.limits.signal_factors import SignalFactor
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.limits.injection_results import InjectedSelection, Injection
from overdensity.workflow.limits.signal_models import read_signal_models
from overdensity.workflow.limits.signal_nuisances import nuisances_of
from overdensity.workflow.limits.strength_limits import limit_with_retraining
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


def nuisances(search_file: Path, signal: str, *more: str) -> dict[str, SignalFactor]:
    run = Run(load_config(search_file, [f"limits.signals={{A: {signal}}}", *more]))
    assert run.config.limits is not None
    (model,) = read_signal_models(run, run.config.limits)
    return {each.name: each for each in nuisances_of(run, model)}


def test_each_uncertainty_has_its_name(search_file: Path, signal_file: str) -> None:
    found = nuisances(search_file, signal_file, ALL, "limits.luminosity=10")
    assert set(found) == {"luminosity", "tagger", "position", "width", "jes"}
    assert found["tagger"].high == pytest.approx(1.2)
    assert found["width"].high < 1 < found["width"].low  # a wider peak leaves the region
    assert (found["jes"].high, found["jes"].low) != (1.0, 1.0)
    # A tagger that is worse selects less of a signal that was there to train with.
    assert [name for name, each in found.items() if not each.trained] == ["tagger"]


def test_the_luminosity_is_of_cross_sections(search_file: Path, signal_file: str) -> None:
    assert "luminosity" not in nuisances(search_file, signal_file, ALL)
    assert nuisances(search_file, signal_file) == {}


ROW = SelectionResult(0.1, 52, 50.0, 5.0, 0.0, 0.3, 0.5, 8.0, 9, 0.5, False, False)


def test_each_nuisance_makes_the_limits_weaker(search_file: Path, signal_file: str) -> None:
    """Without training anew and with it, by as much where the efficiency does not change."""
    window = WindowResult(
        3464.1, 3000.0, 4000.0, replace(ROW, efficiency=1.0, searched=False), (ROW,)
    )
    exact = window_limits(window, 0.95)
    steady = {s: [repetition(s) for _ in range(5)] for s in (0.0, 500.0)}
    trained = limit_with_retraining(steady, exact, 0.95, None)
    given = nuisances(search_file, signal_file, ALL, "limits.luminosity=10")
    for nuisance in given.values():
        loose = window_limits(window, 0.95, [nuisance])
        change = loose.selections[0].observed / exact.selections[0].observed
        assert change > 1.0005
        # Of the signal alone: what is expected of a background fluctuation stays.
        assert loose.selections[0].selection == ROW
        again = limit_with_retraining(steady, loose, 0.95, None, [nuisance])
        assert again.observed / trained.observed == pytest.approx(change, rel=2e-3)
        assert again.pseudo_expected[0] / trained.pseudo_expected[0] > 1.0005


def test_a_nuisance_of_one_selection_is_that_of_its_limit_alone() -> None:
    rows = (ROW, replace(ROW, efficiency=0.02))
    window = WindowResult(
        3464.1, 3000.0, 4000.0, replace(ROW, efficiency=1.0, searched=False), rows
    )
    own = [(), (SignalFactor("tagger_simulation", 1.2, 1 / 1.2, trained=False),)]
    first, second = window_limits(window, 0.95, of_rows=own).selections
    assert first.observed == window_limits(window, 0.95).selections[0].observed
    assert second.observed > 1.02 * first.observed


def repetition(strength: float, eps: float = 0.4) -> Injection:
    found = InjectedSelection(ROW, round(strength * eps), 0.0, eps, 0.0)
    return Injection("A", strength, 0, round(strength), 1000, 500, (found,))


def test_a_signal_without_its_varied_columns_is_refused(search_file: Path, tmp_path: Path) -> None:
    path = make_box(tmp_path / "signal.parquet", background=0, signal=50, seed=7)
    with pytest.raises(InputError, match="this signal has no columns 'jes_up' beside it"):
        nuisances(search_file, str(path), "uncertainties.variations=jes")
