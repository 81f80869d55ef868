"""Several partitions into folds give one result, whose p-values are valid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from overdensity.core import InputError
from overdensity.stats import FitModel, hunt, log_edges
from overdensity.stats.search import statistical_step
from overdensity.stats.search.null import null_hypothesis
from overdensity.stats.search.pseudo_datasets import smallest_p
from overdensity.stats.search.repeats import combined_z, repeated_step, shared_variance
from overdensity.stats.search.statistical_step import settled_step
from overdensity.stats.selection.patterns import count_patterns

EDGES = log_edges(2500, 6000, 16)
WINDOWS = [EDGES[[4, 7]], EDGES[[7, 10]]]
MODEL = FitModel("dijet3")
STRICT = FitModel("dijet3", gof_threshold=0.02)  # what 250 pseudo-experiments can tell


def events(seed: int, *, repeats: int, signal: int = 0, overlap: float = 0.5):
    """Masses, and selections of 10 % that share a part of their events."""
    rng = np.random.default_rng(seed)
    mass = 2500 / rng.random(4000 + signal) ** 0.2
    mass[:signal] = rng.normal(3200, 80, signal)
    common = rng.random(len(mass)) < overlap
    own = rng.random((repeats, len(mass), 2)) < 0.1
    levels = np.where(common[:, None], own[0], own) | (np.arange(len(mass)) < signal)[:, None]
    return mass, levels.astype(np.int8)


def search(mass, levels, **more):
    settings = {"edges": EDGES, "windows": WINDOWS, "efficiencies": [0.1], "model": MODEL}
    return hunt(mass, levels, **{**settings, "pseudo_experiments": 250, **more})


def test_one_partition_is_what_it_was() -> None:
    mass, levels = events(1, repeats=1)
    assert search(mass, levels) == search(mass, levels[0])
    assert search(mass, levels).repeats is None


def test_equal_partitions_give_the_result_of_one() -> None:
    mass, levels = events(1, repeats=1)
    one, three = search(mass, levels), search(mass, np.repeat(levels, 3, axis=0))
    for a, b in zip(one.windows, three.windows, strict=True):
        for x, y in zip(a.rows, b.rows, strict=True):
            assert (x.observed, x.expected) == (y.observed, y.expected)
            assert y.z_local == pytest.approx(max(x.z_local, -2), abs=1e-9)
    assert three.global_p == one.global_p
    assert three.repeats.spread == pytest.approx(0, abs=1e-12)


def test_the_combined_significance_is_the_mean_over_its_standard_deviation() -> None:
    mass, levels = events(2, repeats=5, signal=60)
    found, variance = search(mass, levels), shared_variance(mass, levels, WINDOWS, 1)
    z = np.array(found.repeats.z_local, dtype=float)
    assert z.shape == (5, 2, 2)
    assert np.all((variance[:, 1] > 0.4) & (variance[:, 1] < 0.8))  # half of the events are shared
    z = np.maximum(z, -2) / variance**0.25
    for window, row in enumerate(found.windows):
        assert row.selections[0].z_local == pytest.approx(np.maximum(z[:, window, 1], -2).mean())
        assert row.selections[0].p_local == pytest.approx(
            ndtr(-np.maximum(z[:, window, 1], -2).mean())
        )
    assert found.best.z_local == pytest.approx(z[:, 0, 1].mean())
    assert found.repeats.spread == pytest.approx(z[:, 0, 1].std(ddof=1) * variance[0, 1] ** 0.25)
    alone = found.repeats.p_global
    assert min(alone) <= found.trials.pseudo_experiments <= max(alone)


def test_shared_events_give_the_variance_of_the_mean() -> None:
    rng = np.random.default_rng(7)
    means = []
    for _ in range(2000):  # one selection of a tenth, half of whose events all partitions share
        common = rng.random(1000) < 0.5
        own = rng.random((5, 1000)) < 0.1
        levels = np.where(common, own[0], own)[..., None].astype(int)
        means.append((levels.sum(axis=(1, 2)).mean() - 100) / np.sqrt(90))
    variance = shared_variance(np.zeros(1000), levels, [[1.0, 2.0]], 1)[0, 1]
    expected = 0.5 + 0.5 * (1 + 4 * 0.1) / 5  # the others are shared by chance
    assert variance == pytest.approx(expected, abs=0.07)
    assert np.var(means) == pytest.approx(0.5 + 0.5 / 5, rel=0.1)


def test_a_signal_that_all_partitions_select_changes_no_variance() -> None:
    mass, levels = events(2, repeats=5)
    with_signal = np.append(levels, np.ones((5, 300, 2), np.int8), axis=1)
    more = np.append(mass, np.full(300, np.mean(WINDOWS[0])))
    one, other = (
        shared_variance(*x, WINDOWS[:1], 1)
        for x in ((mass, levels[..., :1]), (more, with_signal[..., :1]))
    )
    np.testing.assert_array_equal(one, other)


def test_fewer_partitions_have_the_variance_of_fewer() -> None:
    z, good = np.ones((4, 1)), np.array([[True], [True], [False], [False]])
    four = (1 + 3 * 0.5) / 4  # any two share half of their events
    assert combined_z(z, good, four)[0] == pytest.approx(((1 + 0.5) / 2) ** -0.25)
    good[1] = False
    assert combined_z(z, good, four)[0] == 1


def test_spectra_and_yields_are_of_the_partition_nearest_to_the_mean() -> None:
    mass, levels = events(2, repeats=5, signal=60)
    found = search(mass, levels)
    z = np.array(found.repeats.z_local)[:, 0, 1]
    chosen = found.repeats.representative
    assert chosen == np.abs(z - z.mean()).argmin()
    alone = search(mass, levels[chosen])
    assert found.best.resonance == alone.best.resonance
    assert found.windows[0].selections[0].observed == alone.windows[0].selections[0].observed


def test_the_order_of_the_partitions_changes_no_p_value() -> None:
    mass, levels = events(3, repeats=4)
    one, other = search(mass, levels), search(mass, levels[::-1])
    assert one.best.z_local == pytest.approx(other.best.z_local, abs=1e-9)
    assert other.repeats.representative == 3 - one.repeats.representative


def test_what_most_partitions_refuse_is_refused() -> None:
    mass, levels = events(4, repeats=3)
    refused = np.zeros((3, 2, 1), bool)
    refused[0, 0] = refused[:2, 1] = True
    found = search(mass, levels, refused=refused)
    assert [row.selections[0].refused for row in found.windows] == [False, True]
    z = np.array(found.repeats.z_local, dtype=float)[:, 0, 1]
    assert np.isnan(z).tolist() == [True, False, False]
    shared = (3 * shared_variance(mass, levels, WINDOWS, 1)[0, 1] - 1) / 2
    expected = np.maximum(z[1:], -2).mean() / ((1 + shared) / 2) ** 0.25
    assert found.windows[0].selections[0].z_local == pytest.approx(expected)
    assert found.windows[1].selections[0].z_local is None


def step_of(mass, levels, **more):
    """Return the step of a search, and its pseudo-experiments."""
    parts = [count_patterns(mass, each, log_edges(2500, 6000, 32)) for each in levels]
    variance = shared_variance(mass, levels, WINDOWS, 1)
    step = repeated_step(parts, WINDOWS, [0.1], model=STRICT, variance=variance, **more)
    return settled_step(step, n=250, seed=1)


def test_one_null_hypothesis_is_found_for_all_partitions() -> None:
    mass, levels = events(2, repeats=5, signal=60)
    step, _ = step_of(mass, levels)
    assert sum("null" in vars(each) for each in (step, *step.steps)) == 1


def with_bad_fit(mass, levels, partition: int, window: int):
    """Spoil the sidebands of a selection in one partition: it selects in every other bin alone."""
    spoilt, (low, high) = levels.copy(), WINDOWS[window]
    place = np.searchsorted(log_edges(2500, 6000, 32), mass)
    beside = ((mass < low) | (mass > high)) & (np.arange(len(mass)) >= 60)  # not the signal
    rng = np.random.default_rng(9)
    often = rng.random(len(mass)) < np.where(place % 2 == 0, 0.17, 0.03)
    spoilt[partition, beside, window] = often[beside]
    return spoilt


def test_a_partition_whose_fit_is_flagged_does_not_represent_the_others() -> None:
    mass, levels = events(2, repeats=5, signal=60)
    first = search(mass, levels).repeats.representative
    spoilt = with_bad_fit(mass, levels, first, 0)
    assert search(mass, spoilt[first], model=STRICT).windows[0].selections[0].flagged
    found = search(mass, spoilt, model=STRICT)
    assert not found.windows[found.best.window].selections[0].flagged
    assert found.repeats.z_local[first][0][1] is None
    assert found.repeats.representative != first
    alone = search(mass, spoilt[found.repeats.representative])
    assert found.windows[0].selections[0].observed == alone.windows[0].selections[0].observed
    assert found.windows[0].selections[0].expected == alone.windows[0].selections[0].expected


def test_a_row_that_its_representative_may_not_quote_is_of_one_that_may() -> None:
    mass, levels = events(2, repeats=5, signal=60)
    step, toys = step_of(mass, with_bad_fit(mass, levels, 2, 1))
    found = step.represented(step.steps, step.variance, 2)  # the one that is spoilt in a window
    shown = found.shown(toys).reshape(2, 2)
    assert shown[0].tolist() == [2, 2]
    assert shown[1, 1] != 2
    rows, own = found.rows(toys), step.steps[shown[1, 1]].rows(toys)[3]
    assert step.steps[2].rows(toys)[3].flagged
    assert not rows[3].flagged
    assert (rows[3].observed, rows[3].expected) == (own.observed, own.expected)
    assert rows[3].fit_p_value == own.fit_p_value >= STRICT.gof_threshold
    assert rows[3].z_local == step.rows(toys)[3].z_local  # of all partitions
    assert found.sources(toys)[3] is step.steps[shown[1, 1]]
    assert found.sources(toys)[1] is found


def test_one_null_hypothesis_serves_all_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*of):
        made.append(of)
        return null_hypothesis(*of)

    monkeypatch.setattr(statistical_step, "null_hypothesis", counted)
    mass, levels = events(2, repeats=3, signal=60)
    found = search(mass, levels)
    assert found.repeats is not None
    assert None not in found.repeats.p_global
    assert len(made) == 1


def test_data_and_pseudo_datasets_are_combined_by_one_rule() -> None:
    mass, levels = events(2, repeats=4, signal=60)
    levels = with_bad_fit(mass, levels, 0, 0)
    refused = np.zeros((4, 2, 1), bool)
    refused[1, 0] = refused[2:, 1] = True
    step, toys = step_of(mass, levels, refused=refused)
    assert step.steps[0].badly_fitted(toys)[1]
    largest = np.quantile(toys.deviance, 1 - STRICT.gof_threshold, axis=0)
    found = smallest_p(
        [each.scan for each in step.steps],
        largest,
        refused=np.pad(refused, ((0, 0), (0, 0), (1, 0))).reshape(4, -1),
        variance=step.variance,
    )
    assert found.p_local == pytest.approx(step.smallest(toys)[0], rel=1e-12)
    assert found.window == step.best(toys) // 2


def test_mean_of_correlated_normals_is_bounded_by_one_of_them() -> None:
    rng = np.random.default_rng(5)
    for share in (0.0, 0.5, 1.0):
        common, own = rng.normal(size=(1, 20_000)), rng.normal(size=(5, 20_000))
        z = np.sqrt(share) * common + np.sqrt(1 - share) * own
        p = ndtr(-combined_z(z, np.ones_like(z, bool)))
        for level in (0.05, 0.01):
            assert (p < level).mean() < level * 1.1
    # the law of total variance, which the docstring of the module quotes
    z = np.sqrt(0.4) * common + np.sqrt(0.6) * own
    assert z.mean(axis=0).var() == pytest.approx(
        1 - (1 - 1 / 5) * z.var(axis=0, ddof=1).mean(), rel=0.03
    )


def test_partitions_must_be_as_many_as_their_refusals() -> None:
    mass, levels = events(6, repeats=3)
    with pytest.raises(InputError, match=r"refused is of 2 partitions .* the levels are of 3"):
        search(mass, levels, refused=np.zeros((2, 2, 1), bool))
    with pytest.raises(InputError, match="at least one partition"):
        repeated_step([], WINDOWS, [0.1])
    parts = [count_patterns(mass, each, log_edges(2500, 6000, 32)) for each in levels]
    assert len(repeated_step(parts, WINDOWS, [0.1], model=MODEL).steps) == 3


def test_a_partition_that_does_not_count_may_be_infinite() -> None:
    assert combined_z([[1.0], [np.inf]], [[True], [False]])[0] == 1
