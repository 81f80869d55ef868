"""Is a small p-value as rare as it says? The studies of benchmarks/calibration.py, a verdict each.

Background alone gives uniform p-values, a tail of empty bins no excess of small ones, a known peak
comes back unbiased with errors that cover it, and a score that knows the mass (benchmarks/sculpting.py)
finds no resonance. The studies of docs/calibration.md have ten times the datasets and leave receipts
(`tests/test_receipts.py`); these are enough to tell a fault.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from overdensity.stats import hunt


def loaded(benchmark):
    path = Path(__file__).parents[2] / "benchmarks" / f"{benchmark}.py"
    spec = importlib.util.spec_from_file_location(f"{benchmark}_studies", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def studies():
    yield from loaded("calibration")


@pytest.fixture(scope="module")
def rare():
    yield from loaded("rare")


@pytest.fixture(scope="module")
def sculpted():
    yield from loaded("sculpting")


def assert_not_too_small(found, *, independent):
    """Local p < α may happen in at most α of the cases; that many windows are independent."""
    for alpha in (0.3, 0.1, 0.01):
        assert np.all(found.rate(alpha) < alpha + 4 * np.sqrt(alpha / independent))


@pytest.mark.slow(seconds=25)
def test_spectra_without_signal_have_uniform_p_values(studies):
    found = studies.background(150, toys=150)
    assert found.ks > 0.01
    assert_not_too_small(found, independent=450)
    # ten thousand events are enough for the discreteness of counts not to show
    for alpha in (0.3, 0.1, 0.05):
        assert found.rate(alpha)[0] == pytest.approx(alpha, abs=4 * np.sqrt(alpha / 450))


@pytest.mark.slow(seconds=25)
def test_a_tail_of_empty_bins_has_no_excess_of_small_p_values(studies):
    found = studies.sparse(150, toys=150)
    assert_not_too_small(found, independent=450)
    for alpha in (0.3, 0.1, 0.05, 0.01):
        _, high = studies.binomial_band(150, alpha, 0.999)
        assert (found.p_global < alpha).mean() <= high


@pytest.mark.slow(seconds=10)
def test_an_injected_strength_comes_back_with_errors_that_cover_it(studies):
    found = studies.strength(80)
    bias = found.pulls.mean(axis=1)
    assert np.all(np.abs(bias) < 3.3 / np.sqrt(80))
    assert found.pulls.std() == pytest.approx(1.0, abs=0.14)  # of 320, 0.04 of statistics
    for level in (0.6827, 0.9545):
        low, high = studies.binomial_band(80, level, 0.999)
        assert np.all((found.coverage(level) >= low) & (found.coverage(level) <= high))


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(
    ("events", "sculpting"),
    [(30_000, 0.0), (30_000, 1.0), (5_000, 0.0)],
    ids=["plain", "sculpted", "ten events pass"],
)
def test_searches_of_correlated_scores_have_uniform_p_values(studies, events, sculpting):
    found = studies.searches(50, events=events, sculpting=sculpting, toys=250)
    assert found.ks > 0.01
    assert_not_too_small(found, independent=100)


@pytest.mark.slow(seconds=10)
def test_an_injected_signal_is_found_in_most_datasets(box):
    found = 0
    for seed in range(10):
        made = box(3000 + seed, n_signal=100)
        result = hunt(made.mass, made.levels, **made.scan, pseudo_experiments=500, seed=seed)
        if result.best is None or result.global_p is None:
            continue
        near = abs(result.best.resonance.mass / 3500 - 1) < 0.03
        found += result.global_p.p_global < 1e-2 and near
    assert found >= 7


@pytest.mark.slow(seconds=45)
def test_a_score_that_knows_the_mass_finds_no_resonance(sculpted):
    plain, protected = [], []
    for number, shape in enumerate(sculpted.SHAPES.values()):
        for index in range(8):
            seed = 1000 * number + index  # the first datasets of docs/calibration.md
            strength = 0.2 * 15 ** np.random.default_rng(seed).random()
            mass, scores, folds = sculpted.make_box(seed, shape, strength=strength)
            plain.append(sculpted.unprotected(mass, scores, folds))
            protected.append(sculpted.protected(mass, scores, folds, seed)[1])
    # a bump or a step in three of five shapes: the plain chain announces a discovery
    assert np.mean(np.array(plain) > 5) > 0.4
    assert np.sum(np.array(protected) > 0.05) >= 37


def test_datasets_of_small_p_values_add_up_over_calls(rare, tmp_path, monkeypatch):
    made = []

    def significances(sample, seed):
        made.append(seed)
        return [[float(seed), 0.0, None]] * len(rare.WAYS)

    monkeypatch.setattr(rare, "significances", significances)
    path = rare.file_of(tmp_path, 100, 1)
    rare.add(path, range(2), events=100, features=1)
    with path.open("a") as file:
        file.write('{"seed": 2, "z": [[')  # interrupted
    found = rare.p_values(rare.known(path))
    np.testing.assert_allclose(
        found["tournament"], [[0.5, 0.5, 1.0], [0.1587, 0.5, 1.0]], atol=1e-4
    )
    rare.add(path, range(1, 3), events=100, features=1)
    assert made == [0, 1, 2]
    assert sorted(rare.known(path)) == [0, 1, 2]
