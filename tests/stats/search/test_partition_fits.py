"""Several partitions into folds give one result, whose p-values are valid."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import ndtr

from overdensity.core import InputError
from overdensity.stats import FitModel, hunt, log_edges
from overdensity.stats.p_values.repeats import shared_variance
from overdensity.stats.search import statistical_step as module
from overdensity.stats.search.null import null_hypothesis
from overdensity.stats.search.pseudo_datasets import smallest_p
from overdensity.stats.search.statistical_step import settled_step, statistical_step
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
    step = statistical_step(parts, WINDOWS, [0.1], model=STRICT, variance=variance, **more)
    return settled_step(step, n=250, seed=1)


def test_one_null_hypothesis_is_found_for_all_partitions() -> None:
    mass, levels = events(2, repeats=5, signal=60)
    step, _ = step_of(mass, levels)
    assert sum("null" in vars(each) for each in (step, *step.parts)) == 1


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
    found = dataclasses.replace(step, representative=2, chosen=step.parts[2])  # spoilt in a window
    shown = found.shown(toys).reshape(2, 2)
    assert shown[0].tolist() == [2, 2]
    assert shown[1, 1] != 2
    rows, own = found.rows(toys), step.parts[shown[1, 1]].rows(toys)[3]
    assert step.parts[2].rows(toys)[3].flagged
    assert not rows[3].flagged
    assert (rows[3].observed, rows[3].expected) == (own.observed, own.expected)
    assert rows[3].fit_p_value == own.fit_p_value >= STRICT.gof_threshold
    assert rows[3].z_local == step.rows(toys)[3].z_local  # of all partitions
    assert found.sources(toys)[3] is step.parts[shown[1, 1]]
    assert found.sources(toys)[1] is found.chosen


def test_one_null_hypothesis_serves_all_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*of):
        made.append(of)
        return null_hypothesis(*of)

    monkeypatch.setattr(module, "null_hypothesis", counted)
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
    assert step.parts[0].badly_fitted(toys)[1]
    largest = np.quantile(toys.deviance, 1 - STRICT.gof_threshold, axis=0)
    found = smallest_p(
        [each.scan for each in step.parts],
        largest,
        refused=np.pad(refused, ((0, 0), (0, 0), (1, 0))).reshape(4, -1),
        variance=step.variance,
    )
    assert found.p_local == pytest.approx(step.smallest(toys)[0], rel=1e-12)
    assert found.window == step.best(toys) // 2


def test_partitions_must_be_as_many_as_their_refusals() -> None:
    mass, levels = events(6, repeats=3)
    with pytest.raises(InputError, match=r"refused is of 2 partitions .* the levels are of 3"):
        search(mass, levels, refused=np.zeros((2, 2, 1), bool))
    with pytest.raises(InputError, match="at least one partition"):
        statistical_step([], WINDOWS, [0.1])
    parts = [count_patterns(mass, each, log_edges(2500, 6000, 32)) for each in levels]
    assert len(statistical_step(parts, WINDOWS, [0.1], model=MODEL).parts) == 3
