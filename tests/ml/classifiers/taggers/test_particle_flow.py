"""Particle flow networks as classifiers, and inside CWoLa."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import Folding, Sample, cross_fit, load_method, make_method, performance
from overdensity.ml.contract import TOY_WINDOW, check_method, toy_sample

SMALL = {
    "kind": "pfn",
    "inner_folds": 2,
    "members": 1,
    "pfn": {
        "phi": [16, 16],
        "f": [16],
        "particles": 12,
        "training": {"epochs": 10, "batch": 128, "learning_rate": 5e-3},
        "device": "cpu",
    },
}
FOLDING = Folding(seed=5, folds=2, scheme="all")


def constituents_alone(sample: Sample) -> Sample:
    """The toy without feature columns, whose signal the trees would find too."""
    return replace(sample, features=sample.features[:, :0], names=())


@pytest.fixture(scope="module")
def method():
    return make_method("cwola", classifier=SMALL)


@pytest.fixture(scope="module")
def sample():
    return constituents_alone(toy_sample())


@pytest.fixture(scope="module")
def scores(method, sample):
    return cross_fit(method, sample, TOY_WINDOW, FOLDING)


def test_two_prongs_are_found_among_one_prong_without_labels(scores, sample):
    inside = TOY_WINDOW.signal(sample.mass)
    found = performance(scores[inside], sample.label[inside], eps_b=(0.01,))
    assert found.auc > 0.9
    assert found.sic[0].sic > 3


def test_without_signal_the_signal_region_is_not_told_from_its_sidebands(method, sample):
    background = sample.take(sample.label == 0)
    quiet = cross_fit(method, background, TOY_WINDOW, FOLDING)
    inside = TOY_WINDOW.signal(background.mass)
    around = (background.mass > TOY_WINDOW.sideband_low) & ~inside
    around &= background.mass < TOY_WINDOW.sideband_high
    which = inside | around
    found = performance(quiet[which], inside[which].astype(np.int8), eps_b=(0.1,))
    assert found.auc == pytest.approx(0.5, abs=0.04)


def test_cwola_on_constituents_keeps_the_contract():
    check_method("cwola", classifier=SMALL)


def test_needs_follow_the_kind(method):
    assert method.needs == ("constituents",)
    assert make_method("cwola").needs == ("features",)


def test_columns_of_the_event_are_read_beside_the_constituents(method):
    sample = toy_sample()
    sample = replace(sample, names=("j1_n", "j2_n", "j1_tau21", "j2_tau21"))
    fitted = method.__class__(method.hyper).fit(method.shown(sample), TOY_WINDOW, seed=1)
    moved = replace(sample, features=sample.features + np.float32(0.5))
    assert np.any(fitted.score(moved) != fitted.score(sample))


def test_events_without_the_constituents_of_the_fit_are_refused(method, sample, tmp_path):
    fitted = method.__class__(method.hyper).fit(method.shown(sample), TOY_WINDOW, seed=1)
    loaded = load_method(fitted.save(tmp_path / "fitted.npz"))
    with pytest.raises(InputError, match="j1_constituents, j2_constituents, and is to score"):
        loaded.score(replace(sample, blocks={}))
