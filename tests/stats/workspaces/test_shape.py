"""The workspace of all bins is the likelihood of the functions, within 1 %."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pyhf
import pytest

from overdensity.core import FitError
from overdensity.stats import FitModel, HuntResult, hunt, log_edges
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.limits.likelihood import likelihood
from overdensity.stats.limits.profiled import data_of, fit_data
from overdensity.stats.p_values.local import z_of_p
from overdensity.stats.workspaces.categories import Categories
from overdensity.stats.workspaces.shape import (
    _units,
    best_categories,
    categories_workspace,
    factors_of,
)

from .whole_range import known, strong, with_functions

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def pyhf_z(spec) -> float:
    """Significance as pyhf's own minimiser has it."""
    model = pyhf.Workspace(spec).model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from inside pyhf
        p = pyhf.infer.hypotest(0.0, pyhf.Workspace(spec).data(model), model, test_stat="q0")
    return float(z_of_p(float(p)))


def test_our_fit_and_that_of_pyhf_agree_in_significance() -> None:
    ours = discovery(known())
    spec = categories_workspace(known())
    assert discovery(spec).z == pytest.approx(ours.z, rel=0.01)
    assert discovery(spec).mu == pytest.approx(ours.mu, rel=0.01)
    assert pyhf_z(spec) == pytest.approx(ours.z, rel=0.01)
    assert ours.z > 3


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize("model", [partial(known, simulated=True), with_functions])
def test_our_fit_and_that_of_pyhf_agree_in_limits_with_all_nuisances(
    model: Callable[[], Categories],
) -> None:
    spec = categories_workspace(model())
    ours, theirs = asymptotic_limit(model()), asymptotic_limit(spec)
    assert theirs.observed == pytest.approx(ours.observed, rel=0.01)
    assert theirs.expected == pytest.approx(ours.expected, rel=0.01)
    assert discovery(spec).z == pytest.approx(discovery(model()).z, rel=0.01)


@pytest.mark.parametrize("model", [known, partial(known, simulated=True)])
def test_the_workspace_expects_what_the_functions_do(model: Callable[[], Categories]) -> None:
    """At the fit with signal and at that without, at which limits are expected."""
    found = model()
    read, factors = likelihood(categories_workspace(found)), factors_of(found)
    assert max(np.abs(log).max() for log in factors.log.values()) < 3
    without = fit_data(found, *data_of(found), start=found.best, strength=0.0).theta[0]
    names = [f"{category}_{i:02d}" for category in ("pass", "fail") for i in range(16)]
    for fit in (found.best, without):
        theta = read.start.copy()
        for k, name in enumerate(found.names):
            theta[read.names.index(name)] = fit[k]
        for unit, k in zip(_units(found), range(1, 1 + found.n_log), strict=True):
            # in units of the workspace, from the fit on, or from 0 where there is a constraint
            name, nominal = found.names[k], 0.0 if found.precision[k] else found.best[k]
            change = fit[k] - nominal
            theta[read.names.index(name)] = (
                np.exp(change) if name in factors.free else change / unit
            )
        expected = dict(zip(read.spec.channels, read.expected(theta[None])[0], strict=True))
        ours = found.expected(fit[None])[0]
        np.testing.assert_allclose([expected[name] for name in names], ours, rtol=3e-3)


def test_factors_are_the_functions_at_the_fits_with_signal_and_without() -> None:
    """Beneath a signal of 7σ, where these are far apart."""
    found = strong(4)
    factors, log_part = factors_of(found), slice(1, 1 + found.n_log)
    without = fit_data(found, *data_of(found), start=found.best, strength=0.0).theta[0]
    for fit in (found.best, without):
        change = (fit - np.where(found.precision > 0, 0.0, found.best))[log_part]
        log = np.log(factors.background)
        for name, unit, size in zip(found.names[log_part], _units(found), change, strict=True):
            if name in factors.free:
                log += size * factors.free[name][:, None]
            else:
                log += factors.log[name] * size / unit
        np.testing.assert_allclose(log, np.log(found.background(fit[None])[0]), rtol=1e-9)


def test_it_is_strict_json_and_obeys_the_schema() -> None:
    spec = categories_workspace(known(simulated=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyhf.schema.validate(json.loads(json.dumps(spec, allow_nan=False)), "workspace.json")


def test_a_hunt_becomes_the_model_of_all_its_events() -> None:
    rng, edges = np.random.default_rng(1), log_edges(2500, 6000, 16)
    mass = np.r_[2500 / rng.random(4000) ** 0.2, rng.normal(3500, 100, 60)]
    levels = (rng.random((4060, 1)) < np.r_[np.full(4000, 0.1), np.ones(60)][:, None]) * 1
    model = FitModel("dijet3")
    options = {"edges": edges, "windows": [edges[[4, 8]]], "model": model}
    result = hunt(mass, levels, efficiencies=[0.1], pseudo_experiments=250, **options)
    found: Categories = best_categories(result, model=model)
    assert found.observed.sum() == ((mass > edges[0]) & (mass < edges[-1])).sum()
    assert found.observed[:32].sum() == levels[(mass > edges[0]) & (mass < edges[-1])].sum()
    assert discovery(found).z > 3


def test_a_hunt_without_a_result_has_no_model() -> None:
    nothing = HuntResult(
        (2500.0, 6000.0), "dijet3", (), False, None, None, None, 12.0, 10, 0.3, 0.0, ()
    )
    with pytest.raises(FitError, match="no model to write"):
        best_categories(nothing, model=FitModel())
