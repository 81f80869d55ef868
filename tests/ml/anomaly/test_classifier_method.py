"""What methods share whose score is that of one classifier."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import ClassifierHyper, Constituents, Sample, make_method
from overdensity.ml.anomaly.classifier_method import (
    FEW_TREES,
    ClassifierMethod,
    ClassifyingHyper,
    InputHyper,
    refuse_few_events,
)
from overdensity.ml.hyperparameters import replaced
from overdensity.ml.method import METHODS

HYPER = replaced(ClassifyingHyper(), {"classifier": FEW_TREES}, of="halves")


class Halves(ClassifierMethod[ClassifyingHyper]):
    """Tells events above a mass from those below; learns the classes that it is given."""

    name, source, Hyper = "halves", "this test", ClassifyingHyper

    def fit(self, data, window, *, simulation=None, seed):
        above = data.mass > window.center
        return self._tell_apart(data, above, np.ones(len(data)), seed=seed)


@pytest.fixture(scope="module")
def fitted(sample, window):
    return Halves(HYPER).fit(sample.without_label(), window, seed=1)


@pytest.mark.parametrize(("kind", "needs"), [("trees", ("features",)), ("pfn", ("constituents",))])
def test_the_classifier_decides_what_is_needed(kind, needs):
    assert Halves(ClassifyingHyper(classifier=ClassifierHyper(kind=kind))).needs == needs


def test_what_the_method_itself_needs_stays():
    class WithSimulation(Halves):
        needs = ("features", "simulation")

    method = WithSimulation(ClassifyingHyper(classifier=ClassifierHyper(kind="pfn")))
    assert method.needs == ("constituents", "simulation")
    assert WithSimulation.needs == ("features", "simulation")  # the class is left alone


def test_the_score_is_the_mean_probability_of_the_first_class(fitted, sample, window):
    score = fitted.score(sample)
    assert score.dtype == np.float32
    assert ((score >= 0) & (score <= 1)).all()
    assert score[sample.mass > window.center].mean() > score[sample.mass < window.center].mean()


def test_what_was_learnt_goes_through_arrays(fitted, sample):
    again = Halves(HYPER)
    again.restore(fitted.arrays())
    np.testing.assert_array_equal(again.score(sample), fitted.score(sample))


def test_other_features_and_a_method_that_was_not_fitted_are_refused(fitted, sample):
    other = Sample.from_arrays(sample.mass, sample.features[:, :1], sample.names[:1])
    with pytest.raises(InputError, match="was fitted on the features"):
        fitted.score(other)
    with pytest.raises(InputError, match="has learnt nothing yet"):
        Halves(HYPER).score(sample)


def test_jets_are_rescaled_and_sorted_only_where_that_is_asked():
    names = ("j1_mass", "j2_mass")
    events = Sample.from_arrays([1000.0, 2000.0], [[100.0, 300.0], [500.0, 100.0]], names)
    raw = InputHyper(rescale=False, sort=False).inputs(events)
    np.testing.assert_array_equal(raw, events.features)
    sorted_only = InputHyper(rescale=False, sort=True).inputs(events)
    assert [sorted(row) for row in sorted_only.tolist()] == [[100.0, 300.0], [100.0, 500.0]]
    assert np.unique(sorted_only.argmax(axis=1)).size == 1  # the heavier jet has one place
    scaled = InputHyper(rescale=True, sort=False).inputs(events)
    np.testing.assert_allclose(scaled, (raw - 30) / events.mass[:, None] + 0.01, rtol=1e-6)


def test_a_region_with_too_few_events_is_named(window):
    event = np.arange(1000, dtype=np.uint64)
    regions = {"signal region": event < 500, "lower sideband": event >= 980}
    options = {"inner_folds": 4, "seed": 1}
    refuse_few_events(regions, event, window, min_events=1, **options)
    with pytest.raises(InputError, match="20 events in the lower sideband leave"):
        refuse_few_events(regions, event, window, min_events=10, **options)


SMALL_PFN = {
    "kind": "pfn",
    "inner_folds": 2,
    "members": 1,
    "pfn": {"phi": [4], "f": [4], "particles": 5, "training": {"epochs": 1}},
}
NO_TAGGERS = ("cathode", "lacathode", "tag_n_train")
ENSEMBLES = [
    (name, field.name)
    for name in METHODS
    for field in fields(METHODS.find(name).Hyper)
    if isinstance(getattr(METHODS.find(name).Hyper(), field.name), ClassifierHyper)
]


def with_constituents(n: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    jet = np.stack([rng.exponential(30, 4 * n) + 1, *rng.normal(0, 0.2, (2, 4 * n))], axis=1)
    return Sample.from_arrays(
        rng.uniform(2700, 4300, n),
        rng.normal(size=(n, 2)),
        ("j1_tau21", "j2_tau21"),
        label=rng.integers(0, 3, n),
        blocks={"j1_constituents": Constituents.from_arrays(np.arange(0, 4 * n + 1, 4), jet)},
    )


@pytest.mark.parametrize(("name", "which"), ENSEMBLES)
def test_each_ensemble_of_a_method_takes_a_tagger_or_says_that_it_does_not(name, which, window):
    hyper = {**METHODS.find(name).fast, which: SMALL_PFN}
    if name in NO_TAGGERS:
        said = f"method '{name}' .* the classifier 'pfn' reads constituents; take one that reads"
        with pytest.raises(ConfigError, match=said):
            make_method(name, **hyper)
        return
    method = make_method(name, **hyper)
    data, simulation = (method.shown(with_constituents(1000, seed)) for seed in (1, 2))
    method.fit(data, window, simulation=simulation, seed=1)
    assert np.isfinite(method.score(method.shown(with_constituents(50, 3)))).all()
