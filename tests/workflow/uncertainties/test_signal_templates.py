"""The signal in all bins: the peak that was fitted, or the simulation with its varied columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample
from overdensity.workflow import SearchResults
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.stages.inputs.event_files import varied_columns
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import SignalScores, read_scores
from overdensity.workflow.uncertainties import signal_templates
from overdensity.workflow.uncertainties.signal_templates import (
    peak_templates,
    simulated_templates,
)


@pytest.fixture
def templates(finished_run: Path, search_file: Path, monkeypatch: pytest.MonkeyPatch):
    """Templates of a simulation whose energy scale moves the mass and the score."""
    given = ["signal=[signal.parquet]", f"out={finished_run}", "uncertainties.variations=jes"]
    run = Run(
        load_config(search_file, [*given, "uncertainties.tagger=0.1", "uncertainties.width=0.2"])
    )
    scores, results = read_scores(run), SearchResults.from_json(finished_run / "results.json")
    best = results.best
    assert best is not None
    rng = np.random.default_rng(3)
    mass, rank = rng.normal(best.mass, 120.0, 1500), rng.random(1500) ** 0.2

    def read(run: Run, window: int, *, varied: str | None = None) -> SignalScores:
        size = {None: 1.0, "jes_up": 1.02, "jes_down": 0.98}[varied]
        features = np.zeros((mass.size, len(run.config.features)))
        sample = Sample.from_arrays(mass * size, features, run.config.features)
        values = [
            np.quantile(scores.values[window, scores.fold == fold], rank ** (1 / size**10))
            for fold in range(run.config.folds)
        ]
        return SignalScores(sample, np.stack(values).astype(np.float32))

    monkeypatch.setattr(signal_templates, "read_signal_scores", read)
    return best, simulated_templates(run, best, scores)


def test_simulation_says_what_passes_and_what_fails(templates) -> None:
    best, found = templates
    assert found.events[0].sum() == pytest.approx(max(best.n_signal, 1.0))
    assert found.events[1].sum() > 0
    assert set(found.variations) == {"jes", "tagger", "tagger_simulation", "width"}


def test_the_energy_scale_moves_mass_and_efficiency(templates) -> None:
    _, found = templates
    jes, bins = found.variations["jes"], np.arange(found.events.shape[1])

    def middle(rows: np.ndarray) -> float:
        return float(np.average(bins, weights=rows[0]))

    assert middle(jes.up) > middle(found.events) > middle(jes.down)
    assert jes.up[0].sum() > found.events[0].sum() > jes.down[0].sum()


def test_statistics_of_the_simulation_is_a_nuisance_by_name(templates) -> None:
    _, found = templates
    size = found.variations["tagger_simulation"].up[0].sum() / found.events[0].sum() - 1
    assert 0 < size < 0.2  # few events pass, and the folds have models of their own


def test_a_signal_of_which_nothing_passes_has_no_template(
    finished_run: Path, search_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(load_config(search_file, ["signal=[signal.parquet]", f"out={finished_run}"]))
    scores, best = read_scores(run), SearchResults.from_json(finished_run / "results.json").best
    assert best is not None

    def far(run: Run, window: int) -> SignalScores:
        features = np.zeros((20, len(run.config.features)))
        sample = Sample.from_arrays(np.full(20, 9000.0), features, run.config.features)
        return SignalScores(sample, np.ones((run.config.folds, 20), np.float32))

    monkeypatch.setattr(signal_templates, "read_signal_scores", far)
    with pytest.raises(InputError, match="signal: none of its 20 events passes the selection"):
        simulated_templates(run, best, scores)


def test_a_fitted_peak_has_no_events_that_fail(finished_run: Path, search_file: Path) -> None:
    given = ["uncertainties={luminosity: 0.02, position: 0.01}"]
    best = SearchResults.from_json(finished_run / "results.json").best
    assert best is not None
    found = peak_templates(Run(load_config(search_file, given)), best)
    assert len(found.events) == 1
    assert set(found.variations) == {"luminosity", "position"}
    assert not found.variations["position"].up[1].any()


def test_varied_columns_are_found_where_process_leaves_them(tmp_path: Path) -> None:
    for folder in ("columns", "variations/jes_up/columns"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.parquet").touch()
    nominal = str(tmp_path / "columns" / "a.parquet")
    assert varied_columns([nominal], "jes_up") == [
        str(tmp_path / "variations/jes_up/columns/a.parquet")
    ]
    with pytest.raises(InputError, match="no columns 'jes_down' beside it"):
        varied_columns([nominal], "jes_down")
    (tmp_path / "signal.parquet").touch()
    with pytest.raises(InputError, match="leave jes out of uncertainties"):
        varied_columns([str(tmp_path / "signal.parquet")], "jes_up")


def test_variations_need_a_signal(search_file: Path) -> None:
    with pytest.raises(ConfigError, match="name its columns under signal"):
        _ = Run(load_config(search_file, ["uncertainties.variations=jes"])).varied
