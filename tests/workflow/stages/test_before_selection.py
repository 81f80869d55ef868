"""Number of signal events before selection, and masses of daughters, of whole searches."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from overdensity.ml import Sample, fold_of, scan_edges, scan_windows
from overdensity.stats import FitModel, hunt
from overdensity.workflow import SearchConfig, SearchResults
from overdensity.workflow.stages import before_selection
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import Scores, SignalScores
from overdensity.workflow.stages.selecting import calibrated_scores, levels_of

N_SIGNAL, SEPARATION = 150, 2.5
CONFIG = SearchConfig.model_validate(
    {
        "events": {"files": ["box.parquet"], "format": "columns"},
        "features": ["j1_mass", "j1_tau21"],
        "method": {"name": "pca"},  # has no thin windows that the events would tell
        "selections": [0.1, 0.01],
        "folds": 3,
        "fit": {"function": "dijet4", "spurious": "none"},
        "signal": ["signal.parquet"],
    }
)


def events(rng: np.random.Generator, n: int, *, signal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Masses, and scores that are binormal, of background or signal."""
    if signal:
        return rng.normal(3823.0, 130.0, n), rng.normal(SEPARATION, 1.0, n)
    edges = scan_edges()
    power = -5.0
    low, high = edges[[0, -1]] ** power
    return (low + rng.uniform(size=n) * (high - low)) ** (1 / power), rng.normal(size=n)


@pytest.fixture(scope="module")
def search():
    """Scores, levels and result of a box."""
    rng = np.random.default_rng(2)
    mass, score = (
        np.concatenate(pair)
        for pair in zip(
            events(rng, 20_000, signal=False), events(rng, N_SIGNAL, signal=True), strict=True
        )
    )
    is_signal = np.arange(mass.size) >= 20_000
    jet = np.where(is_signal, rng.normal(500, 30, mass.size), rng.gamma(3, 60, mass.size))
    ids = rng.integers(0, 2**63, mass.size, dtype=np.uint64)
    features = np.stack([jet, rng.random(mass.size)], axis=1)
    sample = Sample.from_arrays(mass, features, CONFIG.features, event=ids)
    windows = scan_windows()
    scores = Scores(
        sample, fold_of(ids, 3, seed=1), np.tile(score.astype(np.float32), (len(windows), 1))
    )
    levels = levels_of(Run(CONFIG), calibrated_scores(Run(CONFIG), scores))
    result = hunt(
        mass,
        levels,
        edges=scan_edges(),
        windows=[(window.low, window.high) for window in windows],
        efficiencies=CONFIG.selections,
        model=FitModel("dijet4"),
        pseudo_experiments=250,
        seed=1,
    )
    return SimpleNamespace(scores=scores, levels=levels, result=result)


def estimate(search, config: SearchConfig) -> before_selection.BeforeSelection:
    found = before_selection.before_selection(
        Run(config),
        scores=search.scores,
        levels=search.levels,
        result=search.result,
    )
    assert found is not None
    return found


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    mass, _ = events(rng, 3000, signal=True)
    scores = rng.normal(SEPARATION, 1.0, (3, 3000)).astype(np.float32)
    sample = Sample.from_arrays(mass, np.zeros((3000, 2)), CONFIG.features)
    monkeypatch.setattr(
        before_selection, "read_signal_scores", lambda *_: SignalScores(sample, scores)
    )


@pytest.mark.usefixtures("simulated")
def test_three_ways_agree_with_the_truth(search) -> None:
    found = estimate(search, CONFIG)
    assert found.problems == ()
    for each in (found.unselected, found.passing_failing, found.simulated):
        assert each is not None
        assert each.value == pytest.approx(N_SIGNAL, abs=4 * each.error)
    assert found.unselected is not None
    assert found.simulated is not None
    assert found.simulated.error < 0.8 * found.unselected.error
    for each, kept in zip(found.efficiencies, CONFIG.selections, strict=True):
        # the threshold keeps this fraction of background and signal together
        total = 20_000 + N_SIGNAL
        cut = brentq(
            lambda t, n=kept * total: 20_000 * ndtr(-t) + N_SIGNAL * ndtr(SEPARATION - t) - n, 0, 5
        )
        assert each.value == pytest.approx(ndtr(SEPARATION - cut), abs=0.04)


def test_without_simulation_the_assumptions_do_not_name_it(search) -> None:
    found = estimate(search, CONFIG.model_copy(update={"signal": ()}))
    assert found.simulated is None
    assert found.efficiencies == ()
    assert not any("simulat" in line for line in found.assumptions)


@pytest.mark.usefixtures("simulated")
def test_the_unselected_spectrum_may_be_searched_and_may_be_the_best(search) -> None:
    config = CONFIG.model_copy(update={"selections": (1.0, *CONFIG.selections)})
    result = dataclasses.replace(
        search.result, best=dataclasses.replace(search.result.best, efficiency=1.0)
    )
    found = before_selection.before_selection(
        Run(config),
        scores=search.scores,
        levels=search.levels,
        result=result,
    )
    assert found is not None
    assert found.problems == ()
    assert found.passing_failing is None
    assert found.unselected is not None
    assert found.simulated is not None
    known = estimate(search, CONFIG).simulated
    assert known is not None
    assert found.simulated.value == pytest.approx(known.value, abs=1e-3 * known.error)
    assert len(found.efficiencies) == len(CONFIG.selections)


def test_masses_of_jets_are_found_and_other_features_left_alone(search) -> None:
    (jet,) = before_selection.daughters_of(Run(CONFIG), search.scores, search.levels, search.result)
    assert jet.name == "j1_mass"
    assert jet.mass == pytest.approx(500, abs=25)


def test_results_of_a_search_hold_the_numbers(finished_run: Path) -> None:
    results = SearchResults.from_json(finished_run / "results.json")
    found = results.before_selection
    assert found is not None
    assert found.unselected is not None
    assert found.unselected.value == pytest.approx(120, abs=4 * found.unselected.error)
    assert [one.name for one in results.daughters] == ["j1_mass"]
