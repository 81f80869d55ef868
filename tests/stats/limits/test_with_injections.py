from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import gamma, nbinom, poisson

from overdensity.core import InputError
from overdensity.stats.limits.with_injections import (
    InjectedLimit,
    injected_limit,
    probability_below,
    reach,
)


def test_nothing_seen_and_no_background_is_the_textbook_limit() -> None:
    limit = injected_limit(0, 0.0, 0.0, strengths=[0, 100], efficiencies=[[0.1, 0.1], [0.1, 0.1]])
    assert limit.observed == pytest.approx(-np.log(0.05) / 0.1, rel=1e-4)
    assert limit.expected == pytest.approx((limit.observed,) * 5)


@pytest.mark.parametrize(("n", "b"), [(3, 5.2), (12, 8.0), (110, 100.0)])
def test_known_background_is_the_poisson_cls_limit(n: int, b: float) -> None:
    expected = brentq(lambda s: poisson.cdf(n, b + s) / poisson.cdf(n, b) - 0.05, 0, 1000)
    limit = injected_limit(n, b, 0.0, strengths=[0, 1e4], efficiencies=[[0.2, 0.2], [0.2, 0.2]])
    assert limit.observed == pytest.approx(expected / 0.2, rel=1e-4)


def test_background_with_an_error_is_integrated_over_its_gamma_density() -> None:
    n, b, sigma, s = 7, 6.0, 2.5, 4.0
    means = gamma.ppf((np.arange(20_000) + 0.5) / 20_000, (b / sigma) ** 2, scale=sigma**2 / b)
    assert probability_below(n, b, sigma, s) == pytest.approx(
        poisson.cdf(n, means + s).mean(), rel=1e-3
    )


def test_expected_counts_are_quantiles_of_the_background() -> None:
    b, sigma = 40.0, 6.0
    limit = injected_limit(40, b, sigma, strengths=[0, 500], efficiencies=[[0.5, 0.5], [0.5, 0.5]])
    quantile = nbinom.ppf(0.5, (b / sigma) ** 2, b / (b + sigma**2))
    median = injected_limit(quantile, b, sigma, strengths=[0, 500], efficiencies=[[0.5, 0.5], [0.5, 0.5]])
    assert limit.expected[2] == pytest.approx(median.observed)
    assert list(limit.expected) == sorted(limit.expected)


def test_efficiency_that_varies_excludes_less_than_its_mean() -> None:
    common = {"observed": 10, "expected": 10.0, "error": 1.0, "strengths": [0, 2000]}
    steady = injected_limit(**common, efficiencies=[[0.1, 0.1], [0.1, 0.1]])
    varying = injected_limit(**common, efficiencies=[[0.02, 0.18], [0.02, 0.18]])
    assert steady.observed is not None
    assert varying.observed is not None
    assert varying.observed > 1.3 * steady.observed


def test_efficiency_that_grows_with_the_signal_gives_the_root_of_the_yield() -> None:
    """Yield S × (S / 1000): a limit of 3 events selected is one of sqrt(3000) before."""
    limit = injected_limit(0, 0.0, 0.0, strengths=[0, 1000], efficiencies=[[0.0], [1.0]])
    assert limit.observed == pytest.approx(np.sqrt(-np.log(0.05) * 1000), rel=1e-3)


def test_strength_whose_larger_ones_are_not_excluded_is_not_excluded() -> None:
    """A training that loses the signal at 200 again: nothing below may be called excluded."""
    limit = injected_limit(0, 0.0, 0.0, strengths=[0, 100, 200], efficiencies=[[0], [0.5], [0]])
    assert limit.observed is None


def test_no_limit_beyond_the_largest_injection() -> None:
    limit = injected_limit(5, 5.0, 1.0, strengths=[0, 10], efficiencies=[[0.01], [0.01]])
    assert limit.observed is None
    assert limit.expected == (None,) * 5


def test_limit_covers_an_efficiency_that_varies() -> None:
    """Experiments that hold signal: at most 5 % put their limit below its true strength."""
    rng = np.random.default_rng(3)
    b, sigma, true, n = 20.0, 4.0, 150.0, 1000
    eps = rng.uniform(0.05, 0.35, 50)
    background = rng.gamma((b / sigma) ** 2, sigma**2 / b, n)
    counts = rng.poisson(background + rng.choice(eps, n) * true)
    limits = {
        k: injected_limit(k, b, sigma, strengths=[0, 5000], efficiencies=[eps, eps]).observed
        for k in np.unique(counts)
    }
    wrong = np.mean([limits[k] is not None and limits[k] < true for k in counts])
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n)
    assert wrong > 0.005  # and it excludes something: CLs overcovers, but not without bound


@given(
    n=st.integers(0, 60),
    b=st.floats(0.0, 40.0),
    relative=st.floats(0.0, 1.0),
    eps=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4),
)
def test_limit_excludes_at_the_level_and_grows_with_the_count(
    n: int, b: float, relative: float, eps: list[float]
) -> None:
    sigma = relative * b
    strengths, top = [0.0, 3e4], np.array(eps)
    limit = injected_limit(n, b, sigma, strengths=strengths, efficiencies=[top, top]).observed
    more = injected_limit(n + 1, b, sigma, strengths=strengths, efficiencies=[top, top]).observed
    assert limit is not None
    assert more is not None
    assert limit <= more * (1 + 1e-3)
    cls = probability_below(n, b, sigma, top * limit).mean() / probability_below(n, b, sigma, 0.0)
    assert cls == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"strengths": [10, 20]}, "must increase from 0"),
        ({"strengths": [0, 20, 10]}, "must increase from 0"),
        ({"efficiencies": [[0.1]]}, "2 strengths need the efficiencies"),
        ({"efficiencies": [[0.1], []]}, "2 strengths need the efficiencies"),
        ({"efficiencies": [[0.1], [-0.1]]}, "finite and not negative"),
        ({"efficiencies": [[0.1], [np.nan]]}, "finite and not negative"),
        ({"error": np.inf}, "error must be a number of events"),
        ({"observed": -1}, "observed must be a number of events"),
        ({"level": 95}, "between 0 and 1, got 95"),
    ],
)
def test_bad_input_is_one_sentence(change: dict, complaint: str) -> None:
    good = {
        "observed": 1,
        "expected": 1.0,
        "error": 0.1,
        "strengths": [0, 10],
        "efficiencies": [[0.1, 0.1], [0.1, 0.1]],
    }
    with pytest.raises(InputError, match=complaint):
        injected_limit(**{**good, **change})


def test_reach_is_where_the_median_passes_for_good() -> None:
    strengths = [0, 10, 20, 30, 40]
    z = [[0.0], [4.0], [2.0, 2.0, 9.0], [4.0], [6.0]]
    assert reach(strengths, z, 3.0) == pytest.approx(25.0)
    assert reach(strengths, z, 5.0) == pytest.approx(35.0)
    assert reach(strengths, z, 7.0) is None
    assert reach([0, 10], [[3.5], [4.0]], 3.0) == 0.0


def test_record_survives_json() -> None:
    limit = injected_limit(5, 5.0, 1.0, strengths=[0, 40], efficiencies=[[0.2, 0.2], [0.2, 0.2]])
    assert InjectedLimit.from_dict(limit.to_dict()) == limit
