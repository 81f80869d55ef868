"""ABCD agrees with contingency tables, and its pyhf model with both."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, fisher_exact, kstest, nchypergeom_fisher

from overdensity.core import InputError
from overdensity.stats.limits.cls import upper_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.workspaces.abcd import (
    abcd_closure,
    abcd_counts,
    abcd_estimate,
    abcd_workspace,
)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf

TABLES = [(20, 30, 40, 100), (3, 2, 5, 20), (30, 100, 100, 1000), (1200, 10_000, 10_000, 100_000)]


@pytest.mark.parametrize("counts", TABLES)
def test_without_closure_the_p_value_is_fishers(counts):
    p = fisher_exact(np.reshape(counts, (2, 2)), alternative="greater").pvalue
    assert abcd_estimate(counts).p_local == pytest.approx(p, rel=1e-9)


def test_the_closure_averages_noncentral_hypergeometric_tails():
    a, b, c, d = 20, 30, 40, 100
    theta = np.linspace(-6, 6, 121)
    tails = nchypergeom_fisher.sf(a - 1, a + b + c + d, a + b, a + c, 1.3**theta)
    weight = np.exp(-(theta**2) / 2)
    expected = (tails * weight).sum() / weight.sum()
    assert abcd_estimate((a, b, c, d), closure=0.3).p_local == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("counts", TABLES)
def test_the_free_factors_make_q0_the_g_statistic(counts):
    g = chi2_contingency(np.reshape(counts, (2, 2)), correction=False, lambda_="log-likelihood")
    found = discovery(abcd_workspace(counts, signal_events=(1, 0, 0, 0)))
    assert found.q0 == pytest.approx(g.statistic, rel=1e-4)


def test_the_fitted_excess_is_that_over_the_prediction():
    counts = (30, 100, 100, 1000)
    found = discovery(abcd_workspace(counts, signal_events=(1, 0, 0, 0)))
    assert found.mu == pytest.approx(30 - abcd_estimate(counts).expected, rel=1e-4)


def test_the_relation_holds_at_every_point_of_the_model():
    spec = pyhf.Workspace(abcd_workspace((3, 7, 11, 50), signal_events=(1, 0, 0, 0)))
    model = spec.model()
    rng = np.random.default_rng(1)
    for _ in range(20):
        parameters = rng.uniform(0.1, 5, model.config.npars)
        parameters[model.config.poi_index] = 0.0
        a, b, c, d = model.expected_data(parameters, include_auxdata=False)
        assert a == pytest.approx(b * c / d, rel=1e-12)


def test_the_closure_weakens_limit_and_discovery():
    counts, signal = (120, 300, 300, 900), (10, 2, 2, 0.5)
    exact = abcd_workspace(counts, signal_events=signal)
    loose = abcd_workspace(counts, signal_events=signal, closure=0.3)
    assert upper_limit(loose).expected[2] > 1.3 * upper_limit(exact).expected[2]
    assert discovery(loose).z < discovery(exact).z


def test_errors_add_up():
    found = abcd_estimate((10, 100, 50, 1000), closure=0.2)
    assert found.expected == pytest.approx(5.0)
    assert found.statistical_error == pytest.approx(5 * np.sqrt(0.01 + 0.02 + 0.001))
    assert found.closure_error == pytest.approx(1.0)
    assert found.error == pytest.approx(np.hypot(found.statistical_error, 1.0))


def test_the_statistical_error_is_the_spread_of_predictions():
    rng = np.random.default_rng(3)
    _, b, c, d = rng.poisson((40, 200, 300, 1500), (20_000, 4)).T
    assert abcd_estimate((40, 200, 300, 1500)).statistical_error == pytest.approx(
        np.std(b * c / d), rel=0.03
    )


def test_p_values_without_signal_are_not_too_small():
    rng = np.random.default_rng(4)
    p = np.array([abcd_estimate(n).p_local for n in rng.poisson((100, 500, 400, 2000), (1000, 4))])
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01
    assert kstest(p, "uniform").statistic < 0.08  # nor, for so many events, much too large


def test_a_signal_is_found():
    rng = np.random.default_rng(5)
    z = [abcd_estimate(n).z_local for n in rng.poisson((160, 500, 400, 2000), (50, 4))]
    assert np.median(z) > 4


def test_a_closure_test_is_worth_no_more_than_its_statistics():
    assert abcd_closure((1000, 1000, 1000, 1000)) == pytest.approx(2 / np.sqrt(1000))
    assert abcd_closure((15_000, 10_000, 10_000, 10_000)) == pytest.approx(0.5)
    with pytest.raises(InputError, match="empty region"):
        abcd_closure((0, 4, 5, 6))


@given(st.tuples(*(st.integers(0, 40),) * 3, st.integers(1, 40)), st.floats(0, 0.5))
def test_any_counts_give_a_p_value_and_an_error(counts, closure):
    found = abcd_estimate(counts, closure=closure)
    assert 0 < found.p_local <= 1
    assert found.error > 0
    assert np.isfinite(found.z_local)


@given(st.tuples(*(st.integers(0, 40),) * 3, st.integers(1, 40)))
def test_any_counts_give_a_model_that_fits(counts):
    found = discovery(abcd_workspace(counts, signal_events=(1, 0.1, 0.1, 0)))
    assert np.isfinite(found.z)


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ((1, 2, 3, 0), {}, "D is empty"),
        ((1, 2, 3), {}, "four counts"),
        ((1, 2, 3.5, 4), {}, "whole numbers"),
        ((1, -2, 3, 4), {}, "whole numbers"),
        ((1, 2, np.nan, 4), {}, "whole numbers"),
        ((1, 2, 3, 4), {"closure": -0.1}, "closure"),
    ],
)
def test_bad_input_is_refused(counts, options, words):
    with pytest.raises(InputError, match=words):
        abcd_estimate(counts, **options)


def test_signal_must_be_given_in_every_region():
    with pytest.raises(InputError, match="A, B, C and D"):
        abcd_workspace((1, 2, 3, 4), signal_events=(1, 2))


def test_events_are_counted_by_what_they_pass():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 1000))
    counts = abcd_counts(first, second, (0.7, 0.4))
    table = np.histogram2d(first >= 0.7, second >= 0.4, bins=2)[0]
    assert counts == (table[1, 1], table[1, 0], table[0, 1], table[0, 0])


def test_scores_of_other_events_are_refused():
    with pytest.raises(InputError, match=r"the shapes are \(3,\) and \(2,\)"):
        abcd_counts([1, 2, 3], [1, 2], (0, 0))
