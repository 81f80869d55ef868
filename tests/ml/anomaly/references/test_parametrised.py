"""The parametrised classifier knows the mass hypothesis, and scores between the trained ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample, Window, make_method

NAMES = ("x", "y")
FEW = {"inner_folds": 2, "members": 1, "trees": {"events_per_leaf": 20}}


@pytest.fixture(scope="module")
def several() -> Sample:
    """Background flat in x; signals of 3, 3.5 and 4 TeV at x = 3, 3.5 and 4."""
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2, 3], [6000, 500, 500, 500])
    truth = np.array([np.nan, 3000.0, 3500.0, 4000.0])[label]
    mass = np.where(label == 0, rng.uniform(2500.0, 4500.0, len(label)), truth)
    mass = mass + (label != 0) * rng.normal(0, 60, len(label))
    x = np.where(label == 0, rng.uniform(2.0, 5.0, len(label)), truth / 1000)
    x = x + rng.normal(0, 0.05, len(label))
    order = rng.permutation(len(label))
    columns = np.stack([x, rng.normal(size=len(label))], axis=1)
    return Sample.from_arrays(mass[order], columns[order], NAMES, label=label[order])


def window(center: float) -> Window:
    return Window(center, center - 150, center + 150, center - 400, center + 400)


@pytest.mark.parametrize("center", [3050.0, 3500.0, 3950.0])
def test_a_window_prefers_the_signal_of_its_own_mass(several, center):
    method = make_method("parametrised", classifier=FEW).fit(several, window(center), seed=1)
    x = np.linspace(2.5, 4.5, 81)
    line = Sample.from_arrays(np.full(81, center), np.stack([x, np.zeros(81)], axis=1), NAMES)
    nearest = (
        1e-3 * np.array([3000, 3500, 4000])[np.argmin(abs(np.array([3000, 3500, 4000]) - center))]
    )
    assert x[np.argmax(method.score(line))] == pytest.approx(nearest, abs=0.15)


def test_background_alone_cannot_be_told_by_its_hypothesis(several):
    """Its hypotheses are as those of the signal: with useless features the score is one half."""
    rng = np.random.default_rng(1)
    blind = replace(several, features=rng.normal(size=several.features.shape).astype(np.float32))
    method = make_method("parametrised", classifier=FEW, masses=(3000.0, 3500.0, 4000.0))
    score = method.fit(blind, window(3500.0), seed=1).score(blind)
    assert abs(score.mean() - 0.5) < 0.02


def test_window_beyond_the_trained_masses_is_refused(several):
    with pytest.raises(InputError, match="centre of 4300 GeV is not among the signal masses"):
        make_method("parametrised").fit(several, window(4300.0), seed=1)


def test_signal_of_one_mass_is_refused(several):
    one = several.take(several.label < 2)
    with pytest.raises(InputError, match="at least two masses"):
        make_method("parametrised").fit(one, window(3000.0), seed=1)


def test_label_without_a_mass_is_refused(several):
    with pytest.raises(ConfigError, match="labelled 3 are signal of no known mass"):
        make_method("parametrised", masses=[3000, 3500]).fit(several, window(3500.0), seed=1)
