"""One resonance in several channels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import kstest

from overdensity.core import FitError, InputError
from overdensity.core.windows import log_edges
from overdensity.stats import (
    FitModel,
    count_patterns,
    hunt_patterns,
    selection_levels,
    subdivide,
)
from overdensity.stats.combination.channels_hunt import hunt_channels
from overdensity.stats.combination.joint import HuntChannel, combine_channels
from overdensity.stats.combination.joint_result import CombinedResult
from overdensity.stats.combination.statistic import joint_statistic
from overdensity.stats.p_values.local import z_of_p
from overdensity.stats.p_values.repeats import combined_z, shared_variance

EDGES = log_edges(2700.0, 6400.0, 12)
WINDOWS = np.array([(EDGES[i], EDGES[i + 3]) for i in range(2, 8)])
EFFICIENCIES = (0.1, 0.01)
MASS = 4200.0
DIJET, TRIJET = 66, 110  # inclusive yields, 1200 : 2000
SHIFT = {"mjj": 1.4, "mjjj": 1.0}  # of the scores of signal: each alone has about 1.5σ global


def make_channel(rng, n_signal=0.0, *, shift=1.4, background=10_000, far=0.0, repeats=1, **options):
    """Make a channel of dijet-like background; ``far`` more signal events have no peak in mass.

    Scores of several partitions into folds have half of their variance in common.
    """
    grid = np.linspace(EDGES[0], EDGES[-1], 20_001)
    y = (grid[1:] + grid[:-1]) / 2 / 13e3
    cdf = np.concatenate([[0], np.cumsum((1 - y) ** 4 / y**3)])
    n_background = rng.poisson(background)
    mass = np.concatenate(
        [
            np.interp(rng.random(n_background) * cdf[-1], cdf, grid),
            rng.normal(MASS, 0.03 * MASS, rng.poisson(n_signal)),
            rng.normal(0.7 * MASS, 0.15 * MASS, rng.poisson(far)),
        ]
    )
    scores = rng.normal(size=(mass.size, 1)) + rng.normal(size=(mass.size, len(WINDOWS)))
    scores = scores / np.sqrt(2) + shift * (np.arange(mass.size) >= n_background)[:, None]
    inside = (mass >= EDGES[0]) & (mass < EDGES[-1])
    folds = rng.integers(0, 5, mass.size)

    def levels_of(scores):
        each = [selection_levels(column, folds, EFFICIENCIES, within=inside) for column in scores.T]
        return np.stack(each, axis=1)

    if repeats == 1:
        levels = [levels_of(scores)]
    else:
        own = rng.normal(size=(repeats, *scores.shape))
        levels = [levels_of(scores + each) for each in own]
        options["variance"] = shared_variance(mass, levels, WINDOWS, len(EFFICIENCIES))
    patterns = [count_patterns(mass, each, subdivide(EDGES, 2)) for each in levels]
    return HuntChannel(
        patterns[0] if repeats == 1 else patterns, EFFICIENCIES, model=FitModel("dijet4"), **options
    )


def make_channels(seed, dijet=0.0, trijet=0.0):
    """Make both channels; one trijet decay in 25 has two jets, and no peak in their mass."""
    rng = np.random.default_rng(seed)
    return {
        "mjj": make_channel(rng, dijet, shift=SHIFT["mjj"], far=0.04 * trijet),
        "mjjj": make_channel(rng, 0.96 * trijet, shift=SHIFT["mjjj"]),
    }


@pytest.fixture(scope="module")
def channels():
    return make_channels(30, 110, 180)


@pytest.fixture(scope="module")
def found(channels):
    return hunt_channels(channels, WINDOWS, pseudo_experiments=1000, seed=3)


@pytest.fixture(scope="module")
def empty():
    return hunt_channels(make_channels(8), WINDOWS, pseudo_experiments=1000, seed=3)


def test_a_split_signal_is_found_at_its_mass(found):
    assert found.best is not None
    best = found.hypotheses[found.best]
    assert best.low < MASS < best.high
    assert best.mass == pytest.approx(np.sqrt(best.low * best.high))
    assert best.p_local == min(hypothesis.p_local for hypothesis in found.hypotheses)
    assert found.global_p.p_global < 0.01
    assert found.global_p.p_global <= min(one.global_p.p_global for one in found.channels)
    assert found.flags == ()


def test_background_alone_is_not_significant(empty):
    assert empty.global_p.p_global > 0.02
    assert empty.flags == ()


def test_a_channel_alone_is_what_hunt_finds(found, channels):
    for one, (name, channel) in zip(found.channels, channels.items(), strict=True):
        alone = hunt_patterns(
            channel.patterns,
            windows=WINDOWS,
            efficiencies=EFFICIENCIES,
            model=FitModel("dijet4"),
            pseudo_experiments=1000,
            seed=99,
        )
        assert one.name == name
        assert one.window == alone.best.window
        assert one.p_local == pytest.approx(alone.best.p_local)
        assert one.unselected_p_value == alone.unselected_p_value
        error = np.hypot(one.global_p.p_global_error, alone.global_p.p_global_error)
        assert one.global_p.p_global == pytest.approx(alone.global_p.p_global, abs=4 * error + 2e-3)


def test_the_statistic_is_made_of_the_best_selections(found):
    for hypothesis in found.hypotheses:
        z = [point.z_local for point in hypothesis.channels]
        assert hypothesis.statistic == pytest.approx(joint_statistic(z))
        assert hypothesis.z_local == pytest.approx(z_of_p(hypothesis.p_local), abs=1e-6)


def test_the_statistic_is_the_likelihood_ratio_of_independent_strengths(found):
    for hypothesis in found.hypotheses:
        q0 = 0.0
        for point in hypothesis.channels:
            n, b, sigma = point.observed, point.expected, point.expected_error
            tau = b / sigma**2  # the background as if counted in a side region (Li and Ma, eq. 17)
            mean = (n + tau * b) / (1 + tau)
            if n > b:
                q0 += 2 * (n * np.log(n / mean) + tau * b * np.log(b / mean))
        assert np.sqrt(hypothesis.statistic) == pytest.approx(np.sqrt(q0), abs=0.35)


def test_the_choice_of_selections_is_paid_for_in_the_local_p_value(channels):
    found = combine_channels({"mjj": channels["mjj"]}, WINDOWS, pseudo_experiments=2000, seed=1)
    seen = found.z[:, 0] > 0
    best, log_p = found.steps["mjj"].best_of_windows(found.toys["mjj"])
    of_one = (found.toys["mjj"].p_local[:, best] <= np.exp(log_p)).mean(axis=0)
    counted = (found.z_toys[..., 0] >= found.z[:, 0]).mean(axis=0)
    assert np.all(counted[seen] >= of_one[seen])
    enough = seen & (counted > 0.03)
    np.testing.assert_allclose(np.exp(found.log_p[enough]), counted[enough], rtol=0.2)


def test_channels_are_thrown_independently_of_one_another(channels):
    same = {"one": channels["mjj"], "other": channels["mjj"]}
    found = combine_channels(same, WINDOWS, pseudo_experiments=500, seed=1)
    left, right = found.z_toys[..., 0], found.z_toys[..., 1]
    for w in range(len(WINDOWS)):
        assert abs(np.corrcoef(left[:, w], right[:, w])[0, 1]) < 0.18  # 4 / sqrt(500)


def test_the_order_of_the_channels_changes_nothing(channels, found):
    turned = dict(reversed(channels.items()))
    again = hunt_channels(turned, WINDOWS, pseudo_experiments=1000, seed=3)
    assert again.global_p.p_global == found.global_p.p_global
    assert again.channels == found.channels[::-1]


def test_same_seed_same_result_whoever_runs_the_batches(channels, found):
    again = hunt_channels(channels, WINDOWS, pseudo_experiments=1000, seed=3, mapper=map)
    assert again == found


def test_a_result_survives_json(found, tmp_path):
    assert CombinedResult.from_json(found.to_json(tmp_path / "combination.json")) == found


def test_the_points_of_a_channel_are_the_rows_of_its_hunt(found, channels):
    alone = hunt_patterns(
        channels["mjj"].patterns,
        windows=WINDOWS,
        efficiencies=EFFICIENCIES,
        model=FitModel("dijet4"),
        pseudo_experiments=1000,
        seed=99,
    )
    for hypothesis, window in zip(found.hypotheses, alone.windows, strict=True):
        row, best = hypothesis.channels[0], window.most_significant
        assert dataclasses.replace(row, fit_p_value=0.0) == dataclasses.replace(
            best, fit_p_value=0.0
        )


def test_a_result_prints_as_a_table_of_forty_lines_at_most(found):
    lines = str(found).splitlines()
    assert len(lines) <= 40
    best = found.hypotheses[found.best]
    assert any(f"{best.low:.0f}-{best.high:.0f}" in line for line in lines)
    assert any(line.startswith("- combination at") for line in lines)
    assert "font-weight: bold" in found._repr_html_()


def test_a_refused_selection_does_not_count():
    rng = np.random.default_rng(11)
    refused = np.ones((len(WINDOWS), 2), dtype=bool)
    refused[0] = False
    channel = make_channel(rng, 400, shift=3.0, refused=refused)
    other = make_channel(rng)
    result = hunt_channels({"a": channel, "b": other}, WINDOWS, pseudo_experiments=250, seed=1)
    assert result.channels[0].window == 0
    assert all(one.channels[0] is None for one in result.hypotheses[1:])
    assert any("refused" in flag and flag.startswith("a: ") for flag in result.flags)


@pytest.fixture(scope="module")
def repeated():
    """Two channels of three partitions into folds each."""
    rng = np.random.default_rng(13)
    return {
        name: make_channel(rng, 200, shift=2.0, repeats=3, background=5000) for name in ("a", "b")
    }


def test_partitions_that_select_the_same_change_nothing(channels):
    one = {"mjj": channels["mjj"]}
    thrice = {"mjj": dataclasses.replace(one["mjj"], patterns=[one["mjj"].patterns] * 3)}
    single, three = (
        hunt_channels(each, WINDOWS, pseudo_experiments=250, seed=1) for each in (one, thrice)
    )
    assert three.channels[0].repeats.spread == pytest.approx(0.0)
    assert single.channels[0].repeats is None
    for before, after in zip(single.hypotheses, three.hypotheses, strict=True):
        assert after.p_local == pytest.approx(before.p_local)
        assert after.channels[0].observed == before.channels[0].observed


def test_all_partitions_of_a_channel_are_in_its_significance(repeated):
    found = hunt_channels(repeated, WINDOWS, pseudo_experiments=250, seed=1)
    best = found.hypotheses[found.best]
    for channel, summary, row in zip(repeated.values(), found.channels, best.channels, strict=True):
        place = (1.0, *EFFICIENCIES).index(row.efficiency)
        z = np.array(summary.repeats.z_local, dtype=float)[:, found.best, place]
        assert np.ptp(z) > 0
        expected = combined_z(z, np.isfinite(z), channel.variance[found.best, place])
        assert row.z_local == pytest.approx(expected)
        assert row.z_local > z.mean()
        peak = found.peaks[list(repeated).index(summary.name)]
        assert peak.spectrum.observed == row.observed  # of the partition that is shown


def test_a_selection_refused_in_most_partitions_does_not_count(repeated):
    refused = np.zeros((3, len(WINDOWS), 2), dtype=bool)
    refused[:2] = True
    channels = repeated | {"a": dataclasses.replace(repeated["a"], refused=refused)}
    found = hunt_channels(channels, WINDOWS, pseudo_experiments=250, seed=1)
    assert all(one.channels[0] is None for one in found.hypotheses)
    assert found.hypotheses[found.best].channels[1] is not None


def test_no_usable_fit_is_no_result():
    rng = np.random.default_rng(12)
    refused = np.ones((len(WINDOWS), 2), dtype=bool)
    channel = make_channel(rng, refused=refused)
    result = hunt_channels({"a": channel}, WINDOWS, pseudo_experiments=250, seed=1)
    assert result.best is None
    assert result.global_p is None
    assert result.channels[0].global_p is None
    assert result.peaks == ()


def test_a_spurious_signal_lowers_the_significance(channels, found):
    spurious = np.full(len(WINDOWS), 0.3)
    with_it = {name: dataclasses.replace(one, spurious=spurious) for name, one in channels.items()}
    again = hunt_channels(with_it, WINDOWS, pseudo_experiments=250, seed=3)
    for one, before in zip(again.hypotheses, found.hypotheses, strict=True):
        assert one.statistic <= before.statistic + 1e-9
    assert again.hypotheses[again.best].channels[0].spurious > 0


def test_errors_name_the_channel(channels):
    few = make_channel(np.random.default_rng(1), background=3)
    with pytest.raises(FitError, match="channel 'few': "):
        hunt_channels({**channels, "few": few}, WINDOWS)
    with pytest.raises(InputError, match="channel 'mjj': 5 windows"):
        hunt_channels(channels, WINDOWS[:5])
    bad = HuntChannel(channels["mjj"].patterns, EFFICIENCIES, refused=[True])
    with pytest.raises(InputError, match="channel 'bad': refused has shape"):
        hunt_channels({"bad": bad}, WINDOWS)
    with pytest.raises(InputError, match="no channel"):
        hunt_channels({}, WINDOWS)


@pytest.mark.slow(seconds=20)
def test_partitions_leave_the_p_value_right_and_add_power():
    """Without signal no small p-value comes too often; with it, three say more than the first."""
    p, z = [], []
    for seed in range(30):
        rng = np.random.default_rng([14, seed])
        channels = {name: make_channel(rng, repeats=3, background=4000) for name in ("a", "b")}
        found = hunt_channels(channels, WINDOWS, pseudo_experiments=250, seed=seed)
        p.append(found.global_p.p_global)
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01, sorted(p)
    for seed in range(10):
        rng = np.random.default_rng([15, seed])
        three = {
            name: make_channel(rng, 80, repeats=3, shift=2.0, background=4000)
            for name in ("a", "b")
        }
        first = {
            name: dataclasses.replace(each, patterns=each.patterns[0], variance=None)
            for name, each in three.items()
        }
        z.append(
            [
                max(
                    row.z_local
                    for row in hunt_channels(
                        each, WINDOWS, seed=seed, pseudo_experiments=250
                    ).hypotheses
                )
                for each in (first, three)
            ]
        )
    gained = np.diff(z, axis=1)
    assert gained.mean() > 3 * gained.std(ddof=1) / np.sqrt(len(gained)), z


def _z_global(seed, dijet, trijet):
    """Return global significances: mjj, mjjj, both."""
    result = hunt_channels(
        make_channels(seed, dijet, trijet), WINDOWS, pseudo_experiments=500, seed=seed
    )
    return [p.z_global for p in (*(one.global_p for one in result.channels), result.global_p)]


@pytest.mark.slow(seconds=10)
def test_a_split_signal_is_found_where_neither_channel_finds_it():
    z = np.array([_z_global(100 + seed, DIJET, TRIJET) for seed in range(24)])
    above = (z > 2).sum(axis=0)
    assert above[2] > 12, above
    assert above[0] < 12, above
    assert above[1] < 12, above
    assert np.all(np.abs(np.median(z[:, :2], axis=0) - 1.5) < 0.5), np.median(z, axis=0)


@pytest.mark.slow(seconds=5)
def test_a_signal_in_one_channel_only_costs_little():
    z = np.array([_z_global(200 + seed, 2.5 * DIJET, 0) for seed in range(10)])
    alone, both = np.median(z[:, 0]), np.median(z[:, 2])
    assert both > alone - 0.7, (alone, both)


@pytest.mark.slow(seconds=25)
def test_without_signal_the_global_p_value_is_uniform():
    z = np.array([_z_global(1000 + seed, 0, 0) for seed in range(60)])
    assert kstest(z[:, 2], "norm").pvalue > 0.01
    assert (z[:, 2] > 2).sum() <= 5  # 2.3 % of 60 are 1.4; six or more have p = 0.003
