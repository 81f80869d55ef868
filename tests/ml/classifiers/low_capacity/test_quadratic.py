"""Logistic regression on quadratic terms: what it learns, that it finds a signal, and stays quiet."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import kstest, norm

from overdensity.core import ConfigError
from overdensity.ml import Folding, Window, cross_fit, make_method
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    classifier_from_arrays,
    fit_classifier,
)
from overdensity.ml.classifiers.low_capacity.quadratic import (
    QuadraticEnsemble,
    QuadraticHyper,
    fit_ridge,
    quadratic_terms,
)
from overdensity.ml.contract import check_method
from overdensity.ml.method import METHODS
from overdensity.ml.sample import Sample

WINDOW = Window(3500.0, 3200.0, 3800.0, 2700.0, 4400.0)
WEAK = ClassifierHyper(
    kind="quadratic", inner_folds=2, members=1, settings=QuadraticHyper(penalty=1e-6)
)


def events(n: int, n_signal: int, seed: int) -> Sample:
    """Five normal features without relation to the mass; signal lies 0.8 higher in each."""
    rng = np.random.default_rng(seed)
    mass = np.r_[2700 + rng.exponential(800, n), rng.normal(3500, 80, n_signal)]
    x = rng.normal(size=(n + n_signal, 5))
    x[n:] += 0.8
    return Sample.from_arrays(mass, x, tuple("abcde"), label=np.arange(n + n_signal) >= n)


def z_of(sample: Sample, kind: str, *, seed: int, efficiency: float = 0.1) -> float:
    """Return the significance of the events of the signal region that pass a cut.

    It is the k-th largest score of n sideband events of a fold, which another one of the same
    distribution exceeds with probability k / (n + 1).
    """
    method = make_method("cwola", rescale=False, classifier={"kind": kind, "inner_folds": 2})
    folding = Folding(seed=seed)
    scores = cross_fit(method, sample.without_label(), WINDOW, folding)
    inside, fold = WINDOW.signal(sample.mass), folding.of(sample.event)
    excess, variance = 0.0, 0.0
    for each in range(folding.folds):
        beside, own = np.sort(scores[(fold == each) & ~inside]), scores[(fold == each) & inside]
        k, n = round(efficiency * len(beside)), len(beside)
        share = k / (n + 1)
        excess += np.count_nonzero(own > beside[-k]) - share * len(own)
        variance += share * (1 - share) * len(own) * (1 + len(own) / (n + 2))
    return float(excess / np.sqrt(variance))


def test_terms_of_normal_scores_are_orthonormal() -> None:
    terms = quadratic_terms(np.random.default_rng(1).normal(size=(200_000, 3)))
    assert terms.shape[1] == 9
    np.testing.assert_allclose(terms.T @ terms / len(terms), np.eye(9), atol=0.03)


def test_the_log_ratio_of_two_gaussians_is_learnt() -> None:
    """Means (1, 0, 0) apart: the log-ratio of the densities is x − 1/2."""
    rng, y = np.random.default_rng(0), np.arange(8000) % 2 == 0
    x = rng.normal(size=(8000, 3)).astype(np.float32)
    x[y, 0] += 1
    fitted = fit_classifier(x, y, weight=balance_classes(y), hyper=WEAK, seed=3)
    error = fitted.log_odds(x) - (x[:, 0] - 0.5)
    assert abs(error.mean()) < 0.1
    assert error.std() < 0.2


def test_the_fit_is_that_of_a_general_minimiser() -> None:
    rng = np.random.default_rng(2)
    x, weight = rng.normal(size=(500, 4)), rng.uniform(0.5, 1.5, 500)
    y = rng.random(500) < 0.5 + 0.2 * np.tanh(x[:, 0])

    def loss(beta: np.ndarray) -> float:
        odds = beta[0] + x @ beta[1:]
        of_events = np.logaddexp(0, odds) - y * odds
        return float(np.average(of_events, weights=weight) + 0.3 / 2 * (beta[1:] ** 2).sum())

    expected = minimize(loss, np.zeros(5), tol=1e-12).x
    intercept, coefficient = fit_ridge(x, y, weight, penalty=0.3)
    np.testing.assert_allclose(np.r_[intercept, coefficient], expected, atol=1e-5)


def test_scores_do_not_depend_on_the_scale_of_a_feature() -> None:
    rng, y = np.random.default_rng(4), np.arange(1000) % 2 == 0
    x = rng.normal(size=(1000, 2)).astype(np.float32)
    stretched = np.stack([np.exp(x[:, 0]), 100 * x[:, 1]], axis=1).astype(np.float32)
    one, other = (
        fit_classifier(each, y, weight=np.ones(1000), hyper=WEAK, seed=1).score(each)
        for each in (x, stretched)
    )
    np.testing.assert_allclose(one, other, atol=0.02)  # linear between 255 quantiles


def test_an_ensemble_survives_its_arrays() -> None:
    rng, y = np.random.default_rng(4), np.arange(400) % 2 == 0
    x = rng.integers(0, 5, size=(400, 2)).astype(np.float32)  # many events share a value
    fitted = fit_classifier(x, y, weight=np.ones(400), hyper=WEAK, seed=1)
    assert isinstance(fitted, QuadraticEnsemble)
    again = classifier_from_arrays(fitted.arrays(), WEAK)
    np.testing.assert_array_equal(again.score(x), fitted.score(x))
    assert np.isfinite(fitted.log_odds(x)).all()


def test_a_member_without_a_feature_has_no_term_of_it() -> None:
    rng, y = np.random.default_rng(4), np.arange(400) % 2 == 0
    hyper = ClassifierHyper(kind="quadratic", inner_folds=2, members=3, feature_fraction=0.34)
    fitted = fit_classifier(
        rng.normal(size=(400, 3)).astype(np.float32), y, weight=np.ones(400), hyper=hyper, seed=1
    )
    assert ((fitted.arrays()["coefficient"] != 0).sum(axis=1) == 2).all()  # z and z²


def test_a_penalty_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="quadratic: penalty = 0 cannot be used"):
        QuadraticHyper(penalty=0)


def test_a_few_broad_signal_events_are_found() -> None:
    boxes = [events(16_000, 320, seed) for seed in (1, 2)]
    blind = [320 / np.sqrt(np.count_nonzero(WINDOW.signal(box.mass))) for box in boxes]
    found = [z_of(box, "quadratic", seed=seed) for seed, box in enumerate(boxes)]
    assert np.mean(found) > 1.2 * np.mean(blind) > 4  # of all events, without a selection


def test_cwola_keeps_its_contract_with_it() -> None:
    check_method("cwola", classifier={"kind": "quadratic", "inner_folds": 2})


@pytest.mark.parametrize("name", ["cwola", "cathode", "lacathode", "salad"])
def test_methods_with_a_classifier_take_it(name: str) -> None:
    pytest.importorskip("nflows")
    method = make_method(name, classifier={"kind": "quadratic", "quadratic": {"penalty": 0.5}})
    assert method.hyper.classifier.settings == QuadraticHyper(penalty=0.5)
    assert method.needs[0] == "features"


@pytest.mark.slow(seconds=10)
def test_cathode_keeps_its_contract_with_it() -> None:
    pytest.importorskip("nflows")
    fast = {**METHODS.find("cathode").fast, "classifier": {"kind": "quadratic"}}
    check_method("cathode", **fast)


@pytest.mark.slow(seconds=25)
def test_p_values_without_signal_are_uniform_with_the_training_inside() -> None:
    z = [z_of(events(3000, 0, seed), "quadratic", seed=seed) for seed in range(200)]
    assert kstest(norm.sf(z), "uniform").pvalue > 0.01
