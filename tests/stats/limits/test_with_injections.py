from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import gamma, nbinom, poisson

from overdensity.core import InputError
from overdensity.stats.limits.counting import counting_limit
from overdensity.stats.limits.signal_factors import SignalFactor
from overdensity.stats.limits.with_injections import (
    InjectedLimit,
    _Count,
    injected_limit,
    reach,
)
from overdensity.stats.workspaces.pieces import (
    Channel,
    Sample,
    factor,
    poisson_error,
    signal,
    workspace,
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
    assert _Count(n, b, sigma).probability(np.array(s)) == pytest.approx(
        poisson.cdf(n, means + s).mean(), rel=1e-3
    )


def test_expected_counts_are_quantiles_of_the_background() -> None:
    b, sigma = 40.0, 6.0
    limit = injected_limit(40, b, sigma, strengths=[0, 500], efficiencies=[[0.5, 0.5], [0.5, 0.5]])
    quantile = nbinom.ppf(0.5, (b / sigma) ** 2, b / (b + sigma**2))
    median = injected_limit(
        quantile, b, sigma, strengths=[0, 500], efficiencies=[[0.5, 0.5], [0.5, 0.5]]
    )
    assert limit.expected[2] == pytest.approx(median.observed)
    assert list(limit.expected) == sorted(limit.expected)


def test_efficiency_that_varies_excludes_less_than_its_mean() -> None:
    common = {"observed": 10, "expected": 10.0, "error": 1.0, "strengths": [0, 2000]}
    steady = injected_limit(**common, efficiencies=[[0.1, 0.1], [0.1, 0.1]])
    eps = np.linspace(0.05, 0.15, 20)
    varying = injected_limit(**common, efficiencies=[eps, eps])
    assert steady.observed is not None
    assert varying.observed is not None
    assert varying.observed > 1.2 * steady.observed


def test_few_repetitions_exclude_less_than_many_of_the_same_spread() -> None:
    common = {"observed": 10, "expected": 10.0, "error": 1.0, "strengths": [0, 2000]}
    many = np.tile([0.06, 0.08, 0.1, 0.12, 0.14], 20)
    limits = [
        injected_limit(**common, efficiencies=[eps, eps]).observed for eps in (many, many[:5])
    ]
    assert None not in limits
    assert 1.02 * limits[0] < limits[1] < 1.5 * limits[0]


def test_efficiency_that_grows_with_the_signal_gives_the_root_of_the_yield() -> None:
    """Yield S × (S / 1000): a limit of 3 events selected is one of sqrt(3000) before."""
    strengths = np.array([0.0, 1e9])
    limit = injected_limit(0, 0.0, 0.0, strengths=strengths, efficiencies=[[0, 0], [1, 1]])
    assert limit.observed == pytest.approx(np.sqrt(-np.log(0.05) * 1e9), rel=1e-2)


def test_a_count_of_signal_that_trains_its_own_selection_spreads_more() -> None:
    """Where the efficiency grows with the signal, few events are selected worse: a looser limit."""
    flat = injected_limit(5, 5.0, 0.0, strengths=[0, 100], efficiencies=[[0.4, 0.4], [0.4, 0.4]])
    steep = injected_limit(
        5, 5.0, 0.0, strengths=[0, 10, 40], efficiencies=[[0, 0], [0, 0], [0.8, 0.8]]
    )
    assert flat.observed is not None
    assert steep.observed is not None
    at_limit = np.interp(steep.observed, [10, 40], [0.0, 0.8])
    assert at_limit * steep.observed > 1.1 * 0.4 * flat.observed


def test_strength_whose_larger_ones_are_not_excluded_is_not_excluded() -> None:
    """A training that loses the signal at 200 again: nothing below may be called excluded."""
    limit = injected_limit(
        0, 0.0, 0.0, strengths=[0, 100, 200], efficiencies=[[0, 0], [0.5, 0.5], [0, 0]]
    )
    assert limit.observed is None


def test_no_limit_beyond_the_largest_injection() -> None:
    limit = injected_limit(
        5, 5.0, 1.0, strengths=[0, 10], efficiencies=[[0.01, 0.01], [0.01, 0.01]]
    )
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


STRENGTHS = np.array([0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 400.0])
BACKGROUND, ERROR, TOYS = 10.0, 1.0, 200


def trained(rng: np.random.Generator, signal: np.ndarray) -> np.ndarray:
    """Efficiency of a training that has seen so many signal events: it rises, and varies."""
    rises = 0.02 + 0.4 / (1 + np.exp(-(signal - 60.0) / 15.0))
    return np.minimum(rises * np.exp(0.25 * rng.normal(size=signal.shape)), 1.0)


def toy_limit(
    rng: np.random.Generator, true: float, *, already: bool = False, bands: tuple[float, ...] = ()
) -> InjectedLimit:
    """Throw data of a true strength and a campaign of five repeats, and set the limit.

    ``already``: injections go into these data, and the training sees their signal, too.
    """
    signal = rng.poisson(true)
    selected = rng.binomial(signal, trained(rng, np.array([signal]))[0])
    seen = rng.poisson(STRENGTHS[:, None], (STRENGTHS.size, 5)) + already * signal
    return injected_limit(
        rng.poisson(BACKGROUND) + selected,
        max(BACKGROUND + ERROR * rng.normal(), 0.1),
        ERROR,
        strengths=STRENGTHS,
        efficiencies=list(trained(rng, seen)),
        bands=bands,
    )


@pytest.fixture(scope="module")
def without_signal() -> list[InjectedLimit]:
    rng = np.random.default_rng(7)
    return [toy_limit(rng, 0.0, bands=(-1.0, 0.0, 1.0)) for _ in range(TOYS)]


@pytest.fixture(scope="module")
def expected(without_signal: list[InjectedLimit]) -> float:
    medians = [limit.expected[1] for limit in without_signal]
    return float(np.median([np.inf if each is None else each for each in medians]))


def excluded(limits: list[InjectedLimit], true: float) -> float:
    return float(np.mean([each.observed is not None and each.observed < true for each in limits]))


def test_observed_limits_without_signal_lie_in_the_expected_band(
    without_signal: list[InjectedLimit],
) -> None:
    def inside(low: int, high: int) -> float:
        none = [each for each in without_signal if each.observed is None or None in each.expected]
        assert not none
        found = [
            each.expected[low] <= each.observed <= each.expected[high] for each in without_signal
        ]
        return float(np.mean(found))

    assert excluded(without_signal, 0.0) == 0.0
    assert 0.6 < inside(0, 2) < 0.95  # counts are whole numbers, and bands reach outwards
    below = np.mean([each.observed <= each.expected[1] for each in without_signal])
    assert abs(below - 0.5) < 0.12


@pytest.mark.parametrize("multiple", [1.0, 2.0])
def test_limits_cover_a_signal_of_the_expected_limit_and_of_twice_that(
    multiple: float, expected: float
) -> None:
    rng, true = np.random.default_rng(int(10 * multiple)), multiple * expected
    assert 30 < true < 200
    rate = excluded([toy_limit(rng, true) for _ in range(TOYS)], true)
    assert rate <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / TOYS)


def test_injections_into_data_that_hold_the_signal_would_not_cover(expected: float) -> None:
    """Why pseudo-data are needed: the training sees the signal of the data and the injected one."""
    rng = np.random.default_rng(3)
    limits = [toy_limit(rng, expected, already=True) for _ in range(TOYS)]
    assert excluded(limits, expected) > 0.2


@given(
    n=st.integers(0, 60),
    b=st.floats(0.0, 40.0),
    relative=st.floats(0.0, 1.0),
    eps=st.floats(0.01, 1.0),
)
def test_limit_excludes_at_the_level_and_grows_with_the_count(
    n: int, b: float, relative: float, eps: float
) -> None:
    sigma = relative * b
    strengths, top = [0.0, 3e4], np.full(5, eps)
    limit = injected_limit(n, b, sigma, strengths=strengths, efficiencies=[top, top]).observed
    more = injected_limit(n + 1, b, sigma, strengths=strengths, efficiencies=[top, top]).observed
    assert limit is not None
    assert more is not None
    assert limit <= more * (1 + 1e-3)
    below = _Count(n, b, sigma).probability(np.array([eps * limit, 0.0]))
    cls = below[0] / below[1]
    assert cls == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"strengths": [10, 20]}, "must increase from 0"),
        ({"strengths": [0, 20, 10]}, "must increase from 0"),
        ({"efficiencies": [[0.1]]}, "2 strengths need the efficiencies"),
        ({"efficiencies": [[0.1], []]}, "2 strengths need the efficiencies"),
        ({"efficiencies": [[0.1], [0.1, 0.1]]}, "one training alone does not show"),
        ({"efficiencies": [[0.1, 0.1], [0.1, -0.1]]}, "finite and not negative"),
        ({"efficiencies": [[0.1, 0.1], [0.1, np.nan]]}, "finite and not negative"),
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


NUISANCES = {
    "luminosity": SignalFactor("luminosity", 1.1, 1 / 1.1),
    "tagger": SignalFactor("tagger", 1.3, 1 / 1.3, trained=False),
    "position": SignalFactor("position", 0.7, 0.8),  # a peak that leaves its window both ways
    "width": SignalFactor("width", 0.85, 1.1),
    "jes": SignalFactor("jes", 1.05, 0.9),
    "jer": SignalFactor("jer", 0.9, 0.95),
}
STEADY = {"strengths": [0, 4000], "efficiencies": [[0.1] * 5] * 2}


@pytest.mark.parametrize("names", [*([name] for name in NUISANCES), list(NUISANCES)])
def test_a_nuisance_weakens_the_limit_as_in_the_model_of_a_count(names: list[str]) -> None:
    """Where every training selects alike, the limit is that of the counting model of pyhf."""
    given = [NUISANCES[name] for name in names]
    background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    modifiers = [factor(each.name, each.high, each.low) for each in given]
    count = workspace([Channel("count", (52.0,), (signal([10.0], *modifiers), background))])
    theirs = counting_limit(count)
    found = injected_limit(52, 50.0, 5.0, **STEADY, nuisances=given)
    assert 0.01 * found.observed == pytest.approx(theirs.observed, rel=3e-3)
    assert 0.01 * np.array(found.expected) == pytest.approx(theirs.expected, rel=3e-3)
    exact = injected_limit(52, 50.0, 5.0, **STEADY)
    assert found.observed > 1.002 * exact.observed
    assert found.expected[2] > 1.002 * exact.expected[2]


def test_no_nuisance_and_a_factor_of_one_change_nothing() -> None:
    varying = {"strengths": [0, 300, 900], "efficiencies": [[0.02, 0.04], [0.1, 0.14], [0.2, 0.3]]}
    exact = injected_limit(52, 50.0, 5.0, **varying)
    one = injected_limit(52, 50.0, 5.0, **varying, nuisances=[SignalFactor("none", 1.0, 1.0)])
    assert injected_limit(52, 50.0, 5.0, **varying, nuisances=()) == exact
    assert one.observed == pytest.approx(exact.observed, rel=3e-3)
    assert one.expected == pytest.approx(exact.expected, rel=3e-3)


def test_less_signal_that_trains_a_worse_selection_loses_twice() -> None:
    """An efficiency that grows with the signal: 10 % fewer events there are 19 % fewer selected."""
    grows = {"strengths": [0, 2000], "efficiencies": [[0.0] * 5, [0.4] * 5]}
    exact = injected_limit(520, 500.0, 5.0, **grows)
    there, selected, twice = (
        injected_limit(520, 500.0, 5.0, **grows, nuisances=[each]).observed / exact.observed
        for each in (
            SignalFactor("luminosity", 1.2, 1 / 1.2),
            SignalFactor("tagger", 1.2, 1 / 1.2, trained=False),
            SignalFactor("tagger", 1.44, 1 / 1.44, trained=False),
        )
    )
    assert 1.01 < selected < there
    assert there == pytest.approx(twice, rel=0.01)


@pytest.mark.parametrize("true", [0.0, 150.0])
def test_a_limit_covers_a_signal_whose_size_is_uncertain(true: float) -> None:
    """With the nuisance at most 5 % exclude the truth; without it, of a signal that is there, more."""
    rng = np.random.default_rng(5)
    b, sigma, n = 20.0, 3.0, 2000
    size = 1.5 ** rng.normal(size=n)
    background = rng.gamma((b / sigma) ** 2, sigma**2 / b, n)
    counts = rng.poisson(background + 0.2 * true * size)
    steady = {"strengths": [0, 20_000], "efficiencies": [[0.2] * 5] * 2, "bands": ()}
    wrong = []
    for nuisances in ([SignalFactor("luminosity", 1.5, 1 / 1.5)], ()):
        some = np.unique(np.linspace(0, counts.max(), 13).astype(int))
        found = [injected_limit(k, b, sigma, **steady, nuisances=nuisances).observed for k in some]
        wrong.append(np.mean(np.interp(counts, some, found) < true))
    assert wrong[0] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n)
    if true:
        assert wrong[1] > 0.08
        assert wrong[0] > 0.005
