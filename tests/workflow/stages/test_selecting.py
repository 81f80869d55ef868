"""From scores to selections: calibration, levels, and what bends the spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.ml import Sample, fold_of
from overdensity.workflow.config.reading import load_config
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import Scores
from overdensity.workflow.stages.selecting import (
    calibrated,
    calibrated_scores,
    levels_of,
    sculpting_of,
)

from ...conftest import HIGH, LOW

N_EVENTS = 9000


@pytest.fixture
def run(search_file: Path) -> Run:
    return Run(load_config(search_file))


@pytest.fixture(scope="module")
def scores() -> Scores:
    """Scores that grow with the mass, of events without signal."""
    rng = np.random.default_rng(1)
    u = rng.uniform(size=N_EVENTS)
    mass = (LOW**-5 + u * (HIGH**-5 - LOW**-5)) ** (-1 / 5)
    sample = Sample.from_arrays(mass, np.zeros((N_EVENTS, 2)), ["j1_mass", "j1_tau21"])
    values = rng.normal(3 * np.log(mass / LOW), 1).astype(np.float32)
    return Scores(sample, fold_of(sample.event, 3, seed=1), np.tile(values, (3, 1)))


def kept_at_high_mass(scores: Scores, levels: np.ndarray) -> float:
    """Fraction selected above 4 TeV, over that below."""
    high = scores.sample.mass > 4000
    selected = levels[:, 0] >= 1
    return float(np.mean(selected[high]) / np.mean(selected[~high]))


def test_levels_keep_the_fractions_of_every_fold(run: Run, scores: Scores) -> None:
    levels = levels_of(run, scores)
    assert levels.shape == (N_EVENTS, 3)
    for fold in range(3):
        of_fold = levels[scores.fold == fold, 1]
        for level, efficiency in enumerate(run.config.cuts, start=1):
            assert np.count_nonzero(of_fold >= level) == round(efficiency * len(of_fold))


def test_a_calibrated_selection_does_not_know_the_mass(run: Run, scores: Scores) -> None:
    assert kept_at_high_mass(scores, levels_of(run, scores)) > 3
    cut_on = calibrated_scores(run, scores)
    assert kept_at_high_mass(scores, levels_of(run, cut_on)) == pytest.approx(1, abs=0.2)


def test_without_calibration_the_score_itself_is_cut_on(search_file: Path, scores: Scores) -> None:
    run = Run(load_config(search_file, ["calibration=none"]))
    assert np.array_equal(calibrated_scores(run, scores).values, scores.values)


def test_calibrated_values_are_p_values_with_a_minus_and_keep_the_order_of_a_mass(
    run: Run, scores: Scores
) -> None:
    sample = scores.sample
    same_mass = Sample.from_arrays(np.full(N_EVENTS, 3100.0), sample.features, sample.names)
    values = calibrated(
        run,
        scores.values[0],
        mass=same_mass.mass,
        fold=scores.fold,
        event=sample.event,
        window=run.windows[1],
    )
    assert np.all((values >= -1) & (values < 0))
    of_fold = scores.fold == 0
    order = np.argsort(scores.values[0, of_fold])
    assert np.all(np.diff(values[of_fold][order]) >= 0)


def test_a_score_that_grows_with_the_mass_bends_the_spectrum_until_it_is_calibrated(
    run: Run, scores: Scores
) -> None:
    bent = sculpting_of(run, scores)
    straight = sculpting_of(run, calibrated_scores(run, scores))
    assert len(bent.windows) == len(run.windows)
    for before, after in zip(bent.windows, straight.windows, strict=True):
        assert after.selections[0].distance < before.selections[0].distance
