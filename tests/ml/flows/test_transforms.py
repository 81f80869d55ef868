"""What the transforms of every family of flows must do, and the element-wise maps in them."""

from __future__ import annotations

import pytest
import torch
from nflows.transforms.splines import unconstrained_rational_quadratic_spline

from overdensity.core import ConfigError
from overdensity.ml.flows.flow_shape import FAMILIES
from overdensity.ml.flows.transforms import Spline, build_transform
from overdensity.ml.training.engine import seeded

SHAPE = {"layers": 4, "width": 24, "depth": 2, "bins": 8, "tail": 4.0}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


def scrambled(family, features=4, **shape):
    """A transform with random weights: far from the identity it starts as."""
    with seeded(1):
        transform = build_transform(family, features, **SHAPE | shape).double()
        for parameter in transform.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    return transform


def points(n=200, features=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(2)
    x = 1.5 * torch.randn(n, features, generator=generator, dtype=dtype)
    return x, torch.randn(n, 1, generator=generator, dtype=dtype)


def test_transform_starts_as_the_identity_up_to_order(family):
    x, c = points(dtype=torch.float32)
    transform = build_transform(family, 4, **SHAPE)
    y, log_jacobian = transform(x, c)
    torch.testing.assert_close(y, x, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(log_jacobian, torch.zeros(len(x)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("features", [2, 3, 4, 12])
def test_inverse_returns_the_input(family, features):
    x, c = points(features=features)
    transform = scrambled(family, features)
    y, log_jacobian = transform(x, c)
    back, log_inverse = transform.inverse(y, c)
    torch.testing.assert_close(back, x, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(log_inverse, -log_jacobian, atol=1e-4, rtol=1e-4)


def test_log_jacobian_is_that_of_autograd(family):
    x, c = points(20)
    transform = scrambled(family)
    log_jacobian = transform(x, c)[1]
    for i in range(len(x)):
        condition = c[i : i + 1]
        matrix = torch.autograd.functional.jacobian(
            lambda row, condition=condition: transform(row[None], condition)[0][0], x[i]
        )
        expected = torch.linalg.slogdet(matrix)[1]
        torch.testing.assert_close(log_jacobian[i], expected, atol=1e-8, rtol=1e-8)


def test_evaluation_is_training(family):
    x, c = points()
    transform = scrambled(family)
    for a, b in zip(transform.train()(x, c), transform.eval()(x, c), strict=True):
        assert torch.equal(a, b)


def test_every_feature_depends_on_all_others_and_on_the_condition(family):
    x, c = points(50)
    transform = scrambled(family)
    for which in range(4):
        moved = x.clone()
        moved[:, which] += 0.1
        assert (transform(moved, c)[0] != transform(x, c)[0]).any(dim=0).all()
    assert (transform(x, c + 0.1)[0] != transform(x, c)[0]).any(dim=0).all()


def test_autoregressive_layer_looks_at_earlier_features_only():
    x, c = points(20)
    x = x.clamp(-3, 3)
    for family in ("maf", "rqs_autoregressive"):
        layer = scrambled(family, layers=1)
        slopes = torch.zeros(4, 4, dtype=torch.float64)
        for i in range(len(x)):
            condition = c[i : i + 1]
            slopes += torch.autograd.functional.jacobian(
                lambda row, layer=layer, condition=condition: layer(row[None], condition)[0][0],
                x[i],
            ).abs()
        slopes = slopes.flip(0)  # the layer is followed by a reversal
        assert torch.equal(slopes.triu(1), torch.zeros_like(slopes))
        assert (slopes != 0).sum() == 10


def test_one_feature_depends_on_the_condition_where_it_can_and_is_refused_where_not(family):
    if family in ("realnvp", "rqs_coupling"):
        with pytest.raises(ConfigError, match="needs two"):
            build_transform(family, 1, **SHAPE)
        return
    x, c = points(features=1)
    x = x.clamp(-3, 3)
    transform = scrambled(family, 1)
    assert (transform(x, c + 0.1)[0] != transform(x, c)[0]).all()


@pytest.mark.parametrize("inverse", [False, True])
def test_spline_is_that_of_nflows(inverse):
    generator = torch.Generator().manual_seed(3)
    x = 3 * torch.randn(500, 3, generator=generator, dtype=torch.float64)
    parameters = torch.randn(500, 3, 23, generator=generator, dtype=torch.float64)
    y, log_slope = Spline(8, 4.0)(x, parameters, inverse=inverse)
    expected = unconstrained_rational_quadratic_spline(
        x,
        parameters[..., :8],
        parameters[..., 8:16],
        parameters[..., 16:],
        inverse=inverse,
        tails="linear",
        tail_bound=4.0,
    )
    torch.testing.assert_close(y, expected[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(log_slope, expected[1], atol=1e-4, rtol=0)


def test_inverse_of_a_steep_spline_is_finite_in_float32():
    generator = torch.Generator().manual_seed(4)
    parameters = 15 * torch.randn(50_000, 1, 23, generator=generator)
    y = 8 * torch.rand(50_000, 1, generator=generator) - 4
    spline = Spline(8, 4.0)
    x, log_slope = spline(y, parameters, inverse=True)
    assert torch.isfinite(x).all()
    assert torch.isfinite(log_slope).all()
    assert ((x >= -4) & (x <= 4)).all()
