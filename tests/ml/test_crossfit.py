"""No event is scored by a model that saw it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import (
    Folding,
    Method,
    cross_fit,
    fit_guarded,
    fold_of,
    make_method,
    score_fold,
    train_fold,
)
from overdensity.ml.contract import toy_sample


@dataclass(frozen=True)
class NoHyper:
    pass


class Spy(Method):
    """Scores an event with whether it was in the training, and records what it was shown."""

    name = "spy"
    source = "this test"
    Hyper = NoHyper

    def fit(self, data, window, *, simulation=None, seed):
        assert data.label is None
        assert np.all(np.diff(data.event.astype(object)) > 0)
        self.seen, self.seed = data.event, seed
        return self

    def score(self, data):
        assert data.label is None
        return np.isin(data.event, self.seen).astype(np.float32)

    def arrays(self):
        return {"seen": self.seen}

    def restore(self, arrays):
        self.seen = arrays["seen"]


class Informed(Spy):
    name = "informed"
    needs = ("features", "labels")

    def fit(self, data, window, *, simulation=None, seed):
        self.truth = data.label
        return self

    def score(self, data):
        return data.label.astype(np.float32)


class Simulated(Spy):
    name = "simulated"
    needs = ("features", "simulation")


def test_no_event_is_scored_by_a_model_that_saw_it(sample, window):
    scores = cross_fit(Spy(), sample, window, Folding(seed=3))
    assert scores.shape == (len(sample),)
    assert not scores.any()


@pytest.mark.parametrize(("scheme", "fraction"), [("all", 6 / 7), ("tournament", 3 / 7)])
def test_a_model_learns_from_the_folds_of_its_scheme(sample, window, scheme, fraction):
    seen = []

    class Counting(Spy):
        def fit(self, data, window, *, simulation=None, seed):
            seen.append(len(data))
            return super().fit(data, window, simulation=simulation, seed=seed)

    assert not cross_fit(Counting(), sample, window, Folding(seed=3, scheme=scheme)).any()
    assert len(seen) == 7
    assert np.mean(seen) / len(sample) == pytest.approx(fraction, abs=1e-3)


def test_events_outside_the_window_are_scored_too(sample, window):
    outside = (sample.mass < window.sideband_low) | (sample.mass >= window.sideband_high)
    assert outside.any()
    scored = np.concatenate(
        [score_fold(Spy(), sample, window, k, Folding(seed=3))[0] for k in range(7)]
    )
    np.testing.assert_array_equal(np.sort(scored), np.arange(len(sample)))


def test_rows_of_a_task_are_the_events_of_its_fold(sample, window):
    rows, _ = score_fold(Spy(), sample, window, 2, Folding(seed=3, folds=4))
    np.testing.assert_array_equal(rows, np.flatnonzero(fold_of(sample.event, 4, seed=3) == 2))


def test_the_method_handed_in_stays_unfitted(sample, window):
    spy = Spy()
    cross_fit(spy, sample, window, Folding(seed=3))
    assert not hasattr(spy, "seen")


def test_a_task_can_be_sent_to_a_worker(sample, window):
    task = pickle.dumps((score_fold, Spy(), sample, window, 1, Folding(seed=3)))
    function, *arguments = pickle.loads(task)
    there = function(*arguments)
    here = score_fold(Spy(), sample, window, 1, Folding(seed=3))
    np.testing.assert_array_equal(there[0], here[0])
    np.testing.assert_array_equal(there[1], here[1])


def test_truth_is_shown_to_a_method_that_declares_it(sample, window):
    np.testing.assert_array_equal(
        cross_fit(Informed(), sample, window, Folding(seed=3)), sample.label
    )


def test_method_that_needs_labels_is_refused_without(sample, window):
    with pytest.raises(ConfigError, match="no column 'label'"):
        cross_fit(Informed(), sample.without_label(), window, Folding(seed=3))


def test_method_that_needs_simulation_is_refused_without(sample, window):
    with pytest.raises(ConfigError, match="needs simulated events"):
        cross_fit(Simulated(), sample, window, Folding(seed=3))


def test_no_simulated_event_is_scored_by_a_model_that_learnt_from_it(sample, simulation, window):
    seen = []

    class Learning(Simulated):
        def fit(self, data, window, *, simulation=None, seed):
            assert simulation.label is None
            seen.append(simulation.event)
            return super().fit(data, window, seed=seed)

    cross_fit(Learning(), sample, window, Folding(seed=3, folds=4), simulation=simulation)
    fold = fold_of(simulation.event, 4, seed=3)
    for held_out, events in enumerate(seen):
        np.testing.assert_array_equal(events, np.sort(simulation.event[fold != held_out]))


def test_folds_are_trained_with_seeds_of_their_own_unless_one_model_serves_all(
    sample, simulation, window
):
    class Seeded(Simulated):
        def fit(self, data, window, *, simulation=None, seed):
            trained.append((seed, len(simulation)))
            return super().fit(data, window, seed=seed)

    class OfSimulation(Seeded):
        trained_on = "simulation"

    trained, folding = [], Folding(seed=3, folds=4)
    both = simulation.concatenated(simulation, sample.take(np.arange(100)).without_label())
    for method in (Seeded(), OfSimulation()):
        for fold in range(4):
            train_fold(method, sample, window, fold, folding, simulation=both)
    assert len({seed for seed, _ in trained[:4]}) == 4
    assert set(trained[4:]) == {(folding.training_seed(0), len(simulation))}


def test_a_function_of_the_mass_in_the_window_is_refused_whatever_it_is_elsewhere(sample, window):
    inside = (sample.mass >= window.sideband_low) & (sample.mass < window.sideband_high)
    noise = np.random.default_rng(1).normal(size=len(sample)).astype(np.float32)
    told = np.where(inside, sample.mass, noise)[:, None].astype(np.float32)
    events = replace(sample, features=told, names=("x",), blocks={})
    with pytest.raises(InputError, match="'x' is a function of the mass"):
        fit_guarded(Spy(), events, window, seed=1)
    elsewhere = np.where(inside, noise, sample.mass)[:, None].astype(np.float32)
    fit_guarded(Spy(), replace(events, features=elsewhere), window, seed=1)


def test_simulation_with_other_features_is_refused(sample, simulation, window):
    renamed = replace(simulation, names=("j1_mass", "j2_mass", "j1_tau21", "j2_tau32"))
    with pytest.raises(InputError, match=r"simulation has the features .*j2_tau32"):
        cross_fit(Simulated(), sample, window, Folding(seed=3), simulation=renamed)


def test_signal_region_without_simulation_is_refused(sample, simulation, window):
    beside = simulation.take(~window.signal(simulation.mass))
    with pytest.raises(InputError, match=r"none of \d+ simulated events lies in the signal region"):
        cross_fit(Simulated(), sample, window, Folding(seed=3), simulation=beside)


def test_fewer_events_than_folds_are_refused(sample, window):
    with pytest.raises(InputError, match="3 events cannot be divided into 7 folds"):
        cross_fit(Spy(), sample.take(np.arange(3)), window, Folding(seed=3))


def test_fold_that_does_not_exist_is_refused(sample, window):
    with pytest.raises(ConfigError, match="fold 7 does not exist"):
        score_fold(Spy(), sample, window, 7, Folding(seed=3))


def test_events_that_are_never_scored_are_learnt_from_by_all_models(sample, window):
    signal = sample.label == 1
    folding = Folding(seed=3, folds=3)
    for fold in range(3):
        model = train_fold(Spy(), sample, window, fold, folding, never_scored=signal)
        learnt = folding.training(sample.event, fold) | signal
        np.testing.assert_array_equal(model.seen, np.sort(sample.event[learnt]))


def test_function_of_the_mass_is_refused_whoever_trains(sample, window):
    square = replace(sample, features=sample.features.copy())
    square.features[:, 1] = sample.mass**2
    with pytest.raises(InputError, match="'j2_mass' is a function of the mass"):
        fit_guarded(Spy(), square, window, seed=1)


@pytest.mark.parametrize("method", ["pca", "mahalanobis", "vrnn", "cwola", "cathode"])
def test_weights_of_which_nothing_is_learnt_are_refused_whatever_the_method(method, window):
    data = toy_sample()
    some, none = np.where(np.arange(len(data)) % 10, 1.0, -1.0), np.zeros(len(data))
    for weight, said in ((some, "630 of 6300 events have a negative"), (none, "all 6300 events")):
        with pytest.raises(InputError, match=rf"^method '{method}': {said}"):
            fit_guarded(make_method(method), replace(data, weight=weight), window, seed=1)
