"""ROC, AUC and SIC against scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from overdensity.core import InputError
from overdensity.ml import Performance, performance
from overdensity.ml.evaluation.metrics import (
    auc,
    efficiency_in_fold,
    rejection,
    roc,
    sic_at_efficiencies,
    sic_curve,
)


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], [20_000, 2_000]).astype(np.int8)
    return rng.normal(label * 1.5, 1.0).astype(np.float32), label


def test_roc_is_that_of_scikit_learn(scored):
    b, s = roc(*scored)
    fpr, tpr, _ = roc_curve(scored[1], scored[0], drop_intermediate=False)
    np.testing.assert_allclose(b / b[-1], fpr[1:])
    np.testing.assert_allclose(s / s[-1], tpr[1:])


def test_auc_is_that_of_scikit_learn_also_with_ties(scored):
    score, label = scored
    assert auc(score, label) == pytest.approx(roc_auc_score(label, score))
    assert auc(score.round(), label) == pytest.approx(roc_auc_score(label, score.round()))


def test_signal_of_all_kinds_is_signal(scored):
    score, label = scored
    kinds = np.where(np.arange(len(label)) % 2, 2, 1).astype(np.int8) * label
    assert set(kinds) == {0, 1, 2}
    assert performance(score, kinds) == performance(score, label)


def test_rejection_is_one_over_the_background_that_passes_with_so_much_signal(scored):
    score, label = scored
    background, signal = score[label == 0], np.sort(score[label == 1])[::-1]
    for efficiency in (0.3, 0.5):
        threshold = signal[round(efficiency * len(signal)) - 1]
        passed = np.mean(background >= threshold)
        assert rejection(score, label, efficiency) == pytest.approx(1 / passed)
    assert rejection(np.array([3.0, 2.0, 1.0]), np.array([1, 0, 1]), 0.5) == np.inf
    assert rejection(np.array([3.0, 2.0, 1.0]), np.array([1, 0, 1]), 0.51) == 1


def test_sic_of_two_gaussians_is_the_closed_form(scored):
    found = performance(*scored)
    for point, eps_b in zip(found.sic, (1e-2, 1e-3), strict=True):
        expected = norm.sf(norm.isf(eps_b) - 1.5) / np.sqrt(eps_b)
        assert point.n_background == round(eps_b * 20_000)
        assert abs(point.sic - expected) < 3 * point.sic_error


def test_error_of_the_sic_is_the_spread_over_samples():
    rng = np.random.default_rng(1)
    label = np.repeat([0, 1], [5000, 1000])
    sics, errors = [], []
    for _ in range(300):
        score = rng.normal(label * 1.5, 1.0)
        eps_b, eps_s = (score[label == 0] > 2).mean(), (score[label == 1] > 2).mean()
        sics.append(eps_s / np.sqrt(eps_b))
        curve = sic_curve(score, label)
        errors.append(curve[3][np.searchsorted(curve[0], eps_b)])
    assert np.mean(errors) == pytest.approx(np.std(sics), rel=0.15)


def test_maximum_keeps_the_asked_background(scored):
    few, many = performance(*scored, min_background=5), performance(*scored, min_background=500)
    assert few.max_sic.n_background >= 5
    assert many.max_sic.n_background >= 500
    assert few.max_sic.sic >= many.max_sic.sic


def test_result_survives_json(scored, tmp_path):
    found = performance(*scored)
    assert Performance.from_json(found.to_json(tmp_path / "p.json")) == found


def test_one_class_is_refused():
    with pytest.raises(InputError, match="both classes"):
        performance(np.arange(50.0), np.zeros(50, np.int8))


def test_too_little_background_is_refused():
    with pytest.raises(InputError, match="min_background"):
        performance(np.arange(50.0), (np.arange(50) > 9).astype(np.int8))


def test_sic_at_signal_efficiencies_is_the_closed_form(scored):
    eps_s = np.array([0.1, 0.5, 0.9, 1.0])
    found = sic_at_efficiencies(*scored, eps_s)
    expected = eps_s / np.sqrt(norm.sf(norm.isf(eps_s) + 1.5))
    np.testing.assert_allclose(found[:3], expected[:3], rtol=0.1)
    assert 1 <= found[3] < 1.01


def test_sic_has_no_value_where_little_background_is_kept(scored):
    assert np.isnan(sic_at_efficiencies(*scored, np.array([0.001]))).all()


def test_folds_with_other_scales_join_without_loss(scored):
    score, label = scored
    fold = np.arange(len(score)) % 4
    plain = performance(score, label)
    joined = performance(-efficiency_in_fold(score * 10.0**fold + fold, label, fold), label)
    assert joined.auc == pytest.approx(plain.auc, abs=0.005)
    for one, other in zip(joined.sic, plain.sic, strict=True):
        assert abs(one.sic - other.sic) < 2 * other.sic_error


def test_efficiency_in_fold_counts_background_and_keeps_ties():
    score = np.array([1.0, 2.0, 3.0, 2.0, 4.0, 1.5])
    label = np.array([0, 0, 0, 1, 1, 1])
    found = efficiency_in_fold(score, label, np.zeros(6, int))
    np.testing.assert_allclose(found, np.array([2.5, 1.5, 0.5, 1.5, -0.5, 2.0]) / 3)


def test_constant_scores_of_folds_tell_nothing():
    label = np.arange(400) % 2
    joined = -efficiency_in_fold(np.ones(400), label, np.arange(400) // 2 % 4)
    assert auc(joined, label) == pytest.approx(0.5, abs=0.01)


def test_dividing_into_folds_does_not_raise_the_sic():
    rng = np.random.default_rng(2)
    label = np.repeat([0, 1], [5000, 3000])
    ratios = []
    for _ in range(100):
        score = rng.normal(2.3 * label, 1 + 0.3 * label)
        joined = -efficiency_in_fold(score, label, rng.integers(0, 5, len(label)))
        one, other = (performance(each, label, eps_b=(0.007,)) for each in (score, joined))
        ratios.append((other.sic[0].sic / one.sic[0].sic, other.max_sic.sic / one.max_sic.sic))
    error = np.std(ratios, axis=0) / 10
    assert (np.abs(np.mean(ratios, axis=0) - 1) < 0.01 + 3 * error).all()


def test_fold_without_background_is_refused():
    with pytest.raises(InputError, match="fold 1 has no background"):
        efficiency_in_fold(np.arange(4.0), np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))
