"""Methods whose features were made independent of the mass: nobody is mapped by what saw him."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import (
    Folding,
    Method,
    Sample,
    fold_of,
    load_method,
    make_method,
    scan_windows,
    score_fold,
)
from overdensity.ml.decorrelation.decorrelated import Decorrelated, DecorrelatedHyper, decorrelated

WINDOW = scan_windows()[3]
FAST = {"inner_folds": 2, "members": 1, "trees": {"iterations": 10, "events_per_leaf": 20}}


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(1)
    mass = 2632 * (1 - 0.99 * rng.random(6000)) ** (-1 / 7)
    features = np.stack([mass * rng.random(6000), rng.poisson(mass / 500), rng.normal(size=6000)])
    return Sample.from_arrays(mass, features.T, ["x", "n", "z"])


def method(**changes) -> Decorrelated:
    made = decorrelated(
        make_method("cwola", classifier=FAST), changes.get("features", ["x", "n"]), among="xnz"
    )
    assert isinstance(made, Decorrelated)
    return made


@pytest.fixture(scope="module")
def fitted(sample: Sample) -> Decorrelated:
    return method().fit(sample, WINDOW, seed=1)


def test_named_features_are_replaced_and_others_kept(sample, fitted):
    shown = fitted.mapped(sample)
    assert shown.names == ("x_given_m", "n_given_m", "z")
    np.testing.assert_array_equal(shown.features[:, 2], sample.features[:, 2])
    for column in shown.features.T[:2]:
        assert 0 <= column.min() < column.max() <= 1
        assert abs(np.corrcoef(column, sample.mass)[0, 1]) < 0.05
    assert abs(np.corrcoef(sample.features[:, 0], sample.mass)[0, 1]) > 0.2


class Listening(Method[None]):
    """Keeps the events that it is trained on."""

    name, source = "listening", "a test"
    Hyper = type(None)
    heard: ClassVar[list[Sample]] = []

    def fit(self, data, window, *, simulation=None, seed):
        self.heard.append(data)
        return self

    def score(self, data):
        return data.features[:, 0]

    def arrays(self):
        return {}

    def restore(self, arrays):
        del arrays


def test_no_event_is_mapped_by_a_map_that_saw_it(sample):
    """Where the feature of an event changes, so do others' quantiles, but none of its own part."""
    rows = np.flatnonzero(WINDOW.lower(sample.mass))
    part = fold_of(sample.event, 4, seed=1, salt="decorrelation")
    for each in range(4):
        features, scored = sample.features.copy(), []
        changed = rows[part[rows] == each][0]
        features[changed, 0] = 9e3
        for values in (sample.features, features):
            made = Decorrelated(DecorrelatedHyper(Listening(), ("x",)))
            made.fit(replace(sample, features=values), WINDOW, seed=1)
            scored.append(made.mapped(sample).features[:, 0])
        before, after = (seen.features[:, 0] for seen in Listening.heard[-2:])
        moved = set(part[(before != after) & (np.arange(len(sample)) != changed)].tolist())
        # Two parts teach the maps of the training, and the others that of the scoring.
        assert moved == ({1 - each, 2, 3} if each < 2 else set())
        assert np.array_equal(*scored) == (each < 2)


def test_events_of_the_signal_region_teach_no_map(sample, fitted):
    features = sample.features.copy()
    features[WINDOW.signal(sample.mass)] *= 2
    other = method().fit(replace(sample, features=features), WINDOW, seed=1)
    np.testing.assert_array_equal(fitted.mapped(sample).features, other.mapped(sample).features)


def test_scores_are_cross_fitted_and_do_not_depend_on_the_order(sample):
    folding, order = Folding(seed=1, folds=3), np.random.default_rng(2).permutation(len(sample))
    rows, scores = score_fold(method(), sample, WINDOW, 0, folding)
    again, other = score_fold(method(), sample.take(order), WINDOW, 0, folding)
    of_event = dict(zip(sample.event[rows].tolist(), scores.tolist(), strict=True))
    ids = sample.event[order][again].tolist()
    assert of_event == dict(zip(ids, other.tolist(), strict=True))


def test_what_was_learnt_can_be_stored(sample, fitted):
    again = method()
    again.restore(fitted.arrays())
    np.testing.assert_array_equal(again.score(sample), fitted.score(sample))


@pytest.mark.parametrize("by", ["quantiles", "flow"])
def test_it_is_saved_and_loaded_with_its_maps(sample, tmp_path, by):
    made = decorrelated(make_method("pca"), ["x"], among="xnz", by=by)
    path = made.fit(sample.take(np.arange(1000)), WINDOW, seed=1).save(tmp_path / "fitted.npz")
    again = load_method(path)
    assert isinstance(again, Decorrelated)
    assert (again.hyper.features, again.hyper.by) == (("x",), by)
    np.testing.assert_array_equal(again.score(sample), made.score(sample))


class OfFewer(Listening):
    """Learns from the first feature alone."""

    def inputs_of(self, data):
        return replace(data, features=data.features[:, :1], names=data.names[:1])


def test_its_inputs_are_those_of_the_method(sample):
    made = Decorrelated(DecorrelatedHyper(OfFewer(), ("n",)))
    assert made.inputs_of(sample).names == ("x",)


def test_it_is_trained_in_every_window_whatever_the_method():
    made = decorrelated(make_method("pca"), ["x"], among=["x", "y"])
    assert (made.windowed, made.name, make_method("pca").windowed) == (True, "pca", False)


def test_no_features_leave_the_method_as_it_is():
    bare = make_method("cwola")
    assert decorrelated(bare, [], among=["x"]) is bare


def test_features_that_add_up_are_refused_as_they_tell_the_mass_together(sample):
    x, n, z = sample.features.T
    of_both = 1 - x / 2000 - n / 10  # as Dalitz variables do
    of_three = replace(
        sample, names=("x", "n", "z", "rest"), features=np.stack([x, n, z, of_both], axis=1)
    )
    asked = decorrelated(make_method("cwola"), ["x", "z", "n", "rest"], among=of_three.names)
    with pytest.raises(ConfigError, match=r"one of x, n, rest is a sum of the others"):
        asked.fit(of_three, WINDOW, seed=1)


@pytest.mark.parametrize(("own", "refused"), [(0.2, True), (1.0, False)])
def test_features_tied_to_each_other_at_equal_masses_are_refused_one_by_one(sample, own, refused):
    rng = np.random.default_rng(3)
    x, n, z = sample.features.T
    tied = x / sample.mass + own * 0.29 * rng.normal(size=len(x))  # both grow with the mass, or not
    with_it = replace(
        sample, names=("x", "n", "z", "t"), features=np.stack([x, n, z, tied * sample.mass], axis=1)
    )
    asked = decorrelated(make_method("cwola", classifier=FAST), ["x", "n", "t"], among="xnzt")
    if refused:
        with pytest.raises(ConfigError, match="decorrelate: x, t are tied to each other"):
            asked.fit(with_it, WINDOW, seed=1)
    else:
        assert asked.fit(with_it, WINDOW, seed=1).mapped(with_it).names[3] == "t_given_m"


def test_what_cannot_be_decorrelated_is_said(sample):
    with pytest.raises(ConfigError, match="decorrelate: 'y' is none of the features"):
        method(features=["y"])
    few = sample.take(np.arange(400))
    with pytest.raises(InputError, match="events outside the signal region, and 200 are needed"):
        method().fit(few, WINDOW, seed=1)
    weighted = replace(sample, weight=np.linspace(1, 2, len(sample)))
    with pytest.raises(InputError, match="decorrelate: events with weights"):
        method().fit(weighted, WINDOW, seed=1)
