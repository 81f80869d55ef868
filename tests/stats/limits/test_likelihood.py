"""Fits of many datasets, against closed forms and against pyhf."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest

from overdensity.core import InputError
from overdensity.stats.limits.likelihood import likelihood
from overdensity.stats.limits.many_fits import fit_many
from overdensity.stats.workspaces.pieces import (
    Channel,
    Sample,
    normalisation,
    poisson_error,
    shape_variation,
    signal,
    statistical_error,
    workspace,
)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def count(observed: float = 52.0, error: float = 5.0, *, kind=poisson_error):
    background = Sample("background", (50.0,), (kind("error", [error]),))
    return workspace([Channel("count", (observed,), (signal([10.0]), background))])


def shape():
    background = Sample(
        "background",
        (50.0, 40.0, 30.0),
        (normalisation("size", 0.1), shape_variation("tilt", [52, 40, 28], [48, 40, 32])),
    )
    return workspace([Channel("mass", (57.0, 52.0, 29.0), (signal([1.0, 10.0, 2.0]), background))])


def test_expectations_are_those_of_pyhf() -> None:
    model, spec = likelihood(shape()), pyhf.Workspace(shape()).model()
    rng = np.random.default_rng(1)
    theta = model.start + 0.3 * rng.random((100, model.start.size))  # more than one batch
    wanted = [spec.expected_data(list(each), include_auxdata=False) for each in theta]
    np.testing.assert_allclose(model.expected(theta), wanted, rtol=1e-10)


def test_the_maximum_is_that_of_pyhf() -> None:
    model, spec = likelihood(shape()), pyhf.Workspace(shape())
    fits = fit_many(model, model.observed[None], model.auxiliary[None])
    best = pyhf.infer.mle.fit(spec.data(spec.model()), spec.model())
    assert fits.converged.all()
    np.testing.assert_allclose(fits.theta[0], best, atol=2e-3)


@pytest.mark.parametrize("observed", [40.0, 50.0, 55.0, 80.0])
def test_the_strength_of_a_count_is_the_excess_over_the_background(observed: float) -> None:
    model = likelihood(count(observed))
    fits = fit_many(model, model.observed[None], model.auxiliary[None])
    expected = max((observed - 50.0) / 10.0, 0.0)  # a strength is not negative
    assert fits.theta[0, model.poi] == pytest.approx(expected, abs=1e-4)


def test_the_likelihood_ratio_of_a_gaussian_error_is_the_textbook_one() -> None:
    """At fixed strength 0 the best background b solves b = 50 + 5² (n/b - 1)."""
    model = likelihood(count(65.0, kind=statistical_error))
    fits = fit_many(model, model.observed[None], model.auxiliary[None], strength=0.0)
    b = np.roots([1.0, 25.0 - 50.0, -25.0 * 65.0]).max()
    wanted = b - 65 - 65 * np.log(b / 65) + ((b - 50) / 5) ** 2 / 2
    assert fits.nll[0] == pytest.approx(wanted, rel=1e-6)


def test_each_dataset_is_fitted_as_if_it_were_alone() -> None:
    model = likelihood(shape())
    observed, auxiliary = model.throw(model.start, 70, np.random.default_rng(1))
    together = fit_many(model, observed, auxiliary)
    alone = [fit_many(model, observed[i : i + 1], auxiliary[i : i + 1]) for i in (0, 69)]
    assert together.converged.all()
    for i, each in zip((0, 69), alone, strict=True):
        np.testing.assert_allclose(together.theta[i], each.theta[0], rtol=1e-6, atol=1e-6)


def test_asimov_data_are_fitted_by_what_made_them() -> None:
    model = likelihood(shape())
    theta = np.array(
        [{"mu": 0.7}.get(name, start) for name, start in zip(model.names, model.start, strict=True)]
    )
    fits = fit_many(model, *model.asimov(theta))
    assert fits.nll[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(fits.theta[0], theta, atol=1e-4)


def test_pseudo_data_have_the_means_and_widths_of_the_model() -> None:
    model = likelihood(count())
    observed, auxiliary = model.throw(model.start, 20_000, np.random.default_rng(2))
    assert observed.mean() == pytest.approx(60.0, abs=0.3)
    assert observed.var() == pytest.approx(60.0, rel=0.05)
    at = model.names.index("error")
    assert auxiliary[:, at].mean() == pytest.approx(100.0, abs=0.4)  # (50 / 5)² events
    assert auxiliary[:, at].var() == pytest.approx(100.0, rel=0.05)


def test_a_workspace_that_cannot_be_used_is_refused() -> None:
    without = count()
    without["measurements"][0]["config"]["poi"] = ""
    with pytest.raises(InputError, match="no parameter of interest"):
        likelihood(without)
    with pytest.raises(InputError, match="pyhf refuses this workspace"):
        likelihood({"channels": []})
