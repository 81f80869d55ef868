"""What every family of flows must do, and what the fitted density is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta, ks_2samp, kstest

from overdensity.core import ConfigError, InputError
from overdensity.ml.flows.conditional import ConditionalFlow, FlowHyper, fit_flow
from overdensity.ml.flows.flow_shape import FAMILIES

SMALL = FlowHyper(epochs=8, batch=200, learning_rate=8e-3, layers=3, width=24, depth=1, bins=6)


def toy(n, seed=0):
    """Two features in (0, 1): a beta law that moves with the mass, and one that follows it."""
    rng = np.random.default_rng(seed)
    m = rng.uniform(2000, 4000, n)
    a = rng.beta(m / 1000, 3)
    b = np.clip(rng.normal(0.25 + 0.5 * a, 0.1), 0.0, 1.0)
    return np.c_[a, b], m


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def flow(family):
    x, m = toy(3000)
    return fit_flow(x, m, hyper=replace(SMALL, family=family), seed=1, device="cpu")


# --- densities -----------------------------------------------------------------------------------


def test_shapes_and_types(flow):
    x, m = toy(70, seed=5)
    assert flow.log_density(x, m).shape == (70,)
    assert flow.log_density(x, m).dtype == np.float64
    assert flow.sample(m, seed=1).shape == flow.latent(x, m).shape == (70, 2)
    assert flow.sample(m, seed=1).dtype == flow.latent(x, m).dtype == np.float32
    assert flow.sample(m[:0], seed=1).shape == (0, 2)
    assert flow.log_density(x[:0], m[:0]).shape == (0,)


def test_density_integrates_to_one(flow):
    edges = np.linspace(-0.02, 1.02, 301)
    centers = 0.5 * (edges[1:] + edges[:-1])
    grid = np.stack(np.meshgrid(centers, centers), axis=-1).reshape(-1, 2)
    density = np.exp(flow.log_density(grid, np.full(len(grid), 3000.0)))
    assert density.sum() * (edges[1] - edges[0]) ** 2 == pytest.approx(1, abs=0.02)


def test_density_follows_the_mass(flow):
    truth = {m: beta(m / 1000, 3).mean() for m in (2200.0, 3800.0)}
    for m, expected in truth.items():
        assert flow.sample(np.full(4000, m), seed=1)[:, 0].mean() == pytest.approx(
            expected, abs=0.03
        )


def test_samples_close_with_the_events(flow):
    x, m = toy(4000, seed=7)
    drawn = flow.sample(m, seed=8)
    for i in range(2):
        assert ks_2samp(drawn[:, i], x[:, i]).statistic < 0.06
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(np.corrcoef(x.T)[0, 1], abs=0.06)


def test_latent_space_of_its_own_samples_is_standard_normal(flow):
    m = toy(3000, seed=9)[1]
    u = flow.latent(flow.sample(m, seed=10), m)
    for i in range(2):
        assert kstest(u[:, i], "norm").pvalue > 1e-4


def test_log_density_is_the_latent_normal_and_the_slope_of_the_map(flow):
    x, m = toy(30, seed=11)
    x = 0.2 + 0.6 * x
    h = 1e-3
    columns = [(flow.latent(x + h * e, m) - flow.latent(x - h * e, m)) / (2 * h) for e in np.eye(2)]
    slope = np.linalg.slogdet(np.stack(columns, axis=-1))[1]
    u = flow.latent(x, m)
    expected = slope - 0.5 * (u**2).sum(axis=1) - np.log(2 * np.pi)
    np.testing.assert_allclose(flow.log_density(x, m), expected, atol=0.05)


def test_same_seed_same_flow_and_samples(flow):
    x, m = toy(600)
    hyper = replace(flow.hyper, epochs=1)
    one, two, other = (fit_flow(x, m, hyper=hyper, seed=i, device="cpu") for i in (1, 1, 2))
    np.testing.assert_array_equal(one.log_density(x, m), two.log_density(x, m))
    np.testing.assert_array_equal(one.sample(m, seed=3), two.sample(m, seed=3))
    assert np.any(one.log_density(x, m) != other.log_density(x, m))
    assert np.any(one.sample(m, seed=4) != one.sample(m, seed=3))


def test_arrays_give_the_same_flow(flow, tmp_path):
    np.savez(tmp_path / "flow.npz", **flow.arrays())
    with np.load(tmp_path / "flow.npz", allow_pickle=False) as stored:
        again = ConditionalFlow.from_arrays(dict(stored))
    x, m = toy(100, seed=12)
    assert again.hyper == flow.hyper
    np.testing.assert_array_equal(again.log_density(x, m), flow.log_density(x, m))
    np.testing.assert_array_equal(again.sample(m, seed=3), flow.sample(m, seed=3))


def test_a_fit_begins_with_another_flow_and_leaves_it_alone(flow):
    x, m = toy(500, seed=3)
    beyond = np.array([[9.0, 0.5]])  # where the first flow's density is zero: not learnt from
    before = flow.log_density(x, m)
    still, moved = (
        fit_flow(
            np.r_[x[:, ::-1], beyond],
            np.r_[m, 3000.0],
            hyper=replace(flow.hyper, epochs=3, learning_rate=rate),
            seed=2,
            device="cpu",
            start=flow,
        )
        for rate in (1e-9, 8e-3)
    )
    np.testing.assert_allclose(still.log_density(x, m), before, atol=1e-3)
    np.testing.assert_array_equal(flow.log_density(x, m), before)
    at_start, learnt = (each.log_density(x[:, ::-1], m) for each in (still, moved))
    known = np.isfinite(at_start)
    assert learnt[known].mean() > at_start[known].mean() + 0.3


@pytest.mark.parametrize(
    ("x", "shape", "error", "says"),
    [
        (np.full((9, 2), 0.5), {"width": 25}, ConfigError, "begins with one of"),
        (np.full((9, 3), 0.5), {}, InputError, "fitted on 2 features"),
        (np.full((9, 2), np.nan), {}, InputError, "not finite"),
        (np.full((9, 2), 7.0), {}, InputError, "all 9 events lie beyond the range"),
    ],
)
def test_what_another_flow_cannot_go_on_with_is_said(x, shape, error, says):
    begun = fit_flow(*toy(200), hyper=replace(SMALL, epochs=1), seed=1)
    with pytest.raises(error, match=says):
        fit_flow(x, np.full(9, 3e3), hyper=replace(begun.hyper, **shape), seed=2, start=begun)


def test_sampling_leaves_the_density_as_it_was(flow):
    x, m = toy(100, seed=12)
    before = flow.log_density(x, m)
    flow.sample(m, seed=1)
    np.testing.assert_array_equal(flow.log_density(x, m), before)


def test_outside_of_the_training_range_density_is_zero_and_the_latent_finite(flow):
    x = np.array([[0.5, 0.5], [0.5, 1.5], [-1.0, 0.5]])
    m = np.full(3, 3000.0)
    assert np.isfinite(flow.log_density(x, m)).tolist() == [True, False, False]
    assert np.isfinite(flow.latent(x, m)).all()


def test_spline_samples_exist_far_in_the_tails():
    flow = fit_flow(*toy(1000), hyper=replace(SMALL, epochs=3), seed=1, device="cpu")
    assert np.isfinite(flow.sample(np.full(50_000, 3000.0), seed=1)).all()


def test_density_of_several_epochs_is_the_mean_of_theirs():
    x, m = toy(1000)
    hyper = replace(SMALL, epochs=3, keep="last", average=3)
    flow = fit_flow(x, m, hyper=hyper, seed=1, device="cpu")
    assert flow.training is not None
    singles = [
        ConditionalFlow(hyper, flow.preprocessing, flow.mass_mean, flow.mass_std, [state])
        for state in flow.training.states
    ]
    expected = np.mean([np.exp(each.log_density(x, m)) for each in singles], axis=0)
    np.testing.assert_allclose(np.exp(flow.log_density(x, m)), expected, rtol=1e-5)
    np.testing.assert_array_equal(flow.latent(x, m), singles[0].latent(x, m))


def test_weights_are_counted():
    x, m = toy(2000)
    weight = np.where(x[:, 1] > 0.5, 5.0, 1.0)
    flow = fit_flow(x, m, hyper=SMALL, seed=1, weight=weight, device="cpu")
    expected = np.average(x[:, 1] > 0.5, weights=weight)
    assert (flow.sample(m, seed=2)[:, 1] > 0.5).mean() == pytest.approx(expected, abs=0.04)


def test_interrupted_fit_goes_on_from_its_checkpoint(tmp_path):
    x, m = toy(500)
    hyper = replace(SMALL, epochs=2)
    first = fit_flow(x, m, hyper=hyper, seed=1, device="cpu", checkpoint=tmp_path / "flow.pt")
    again = fit_flow(x, m, hyper=hyper, seed=1, device="cpu", checkpoint=tmp_path / "flow.pt")
    np.testing.assert_array_equal(first.log_density(x, m), again.log_density(x, m))


def test_bad_input_is_one_clear_sentence(flow):
    x, m = toy(100)
    with pytest.raises(ConfigError, match="no family is called 'rqs'"):
        FlowHyper(family="rqs")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="layers = 0 cannot be used"):
        FlowHyper(layers=0)
    with pytest.raises(InputError, match=r"fitted on 2 features, found events of shape \(100, 1\)"):
        flow.log_density(x[:, :1], m)
    with pytest.raises(InputError, match=r"100 events need as many masses"):
        flow.log_density(x, m[:50])
    with pytest.raises(InputError, match="as many masses"):
        fit_flow(x, m[:50], seed=1)
    with pytest.raises(ConfigError, match="validation_fraction = 1"):
        fit_flow(x, m, seed=1, validation_fraction=1.0)
