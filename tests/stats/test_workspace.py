"""Workspaces open, fit and agree with the p-values, in pyhf."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pyhf

from overdensity.core import FitError
from overdensity.stats import (
    SelectionResult,
    best_workspace,
    counting_workspace,
    fit,
    hunt,
    local_p,
    log_edges,
    shape_workspace,
    z_of_p,
)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def row(observed, expected, error):
    return SelectionResult(
        0.01, 100, observed, expected, error, 0.5, 0.0, 1.0, 1, 0.5, flagged=False, counted=True
    )


def discovery_z(spec) -> float:
    model = pyhf.Workspace(spec).model()
    data = pyhf.Workspace(spec).data(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from inside pyhf
        p = pyhf.infer.hypotest(0.0, data, model, test_stat="q0")
    return float(z_of_p(float(p)))


@pytest.mark.parametrize(
    ("observed", "expected", "error"), [(141, 63.8, 9.0), (47, 8.4, 3.1), (820, 755.0, 33.0)]
)
def test_the_counting_model_agrees_with_the_local_p_value(observed, expected, error):
    z = float(z_of_p(local_p(observed, expected, error)))
    assert discovery_z(counting_workspace(row(observed, expected, error))) == pytest.approx(
        z, abs=0.35
    )


def test_the_fitted_strength_is_the_excess():
    spec = counting_workspace(row(141, 63.8, 9.0))
    model = pyhf.Workspace(spec).model()
    best = pyhf.infer.mle.fit(pyhf.Workspace(spec).data(model), model)
    assert best[model.config.poi_index] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("observed", "expected", "error"), [(0, 0.0, 0.0), (2, 1e-9, 1e-9), (3, 0.5, 0.8)]
)
def test_an_empty_background_is_still_a_model(observed, expected, error):
    spec = counting_workspace(row(observed, expected, error))
    model = pyhf.Workspace(spec).model()
    assert np.isfinite(
        model.logpdf(model.config.suggested_init(), pyhf.Workspace(spec).data(model))
    )


@pytest.fixture(scope="module")
def spectrum():
    edges = log_edges(2632, 6000, 32)
    centre = np.sqrt(edges[1:] * edges[:-1])
    mean = (1 - centre / 13e3) ** 4 / (centre / 13e3) ** 3 * np.diff(edges)
    mean *= 3000 / mean.sum()
    mean += 120 * np.exp(-(((centre - 3500) / 140) ** 2) / 2) * np.diff(edges) / 140 / 2.507
    masked = (np.arange(32) >= 8) & (np.arange(32) < 14)
    return fit(edges, np.random.default_rng(2).poisson(mean), masked=masked, function="dijet4")


def test_the_shape_model_sees_what_counting_sees_and_more(spectrum):
    counting = float(z_of_p(local_p(spectrum.observed, spectrum.total, spectrum.total_error)))
    shape = discovery_z(shape_workspace(spectrum, 3500.0, 140.0, n_signal=120.0))
    assert counting - 0.5 < shape < counting + 2.5


def test_shape_variations_make_up_the_covariance(spectrum):
    spec = shape_workspace(spectrum, 3500.0, 140.0, n_signal=120.0)
    sample = spec["channels"][0]["samples"][1]
    nominal = np.array(sample["data"])
    up = np.array([modifier["data"]["hi_data"] for modifier in sample["modifiers"]]) - nominal
    of_window = np.array(spectrum.covariance)[np.ix_(spectrum.masked, spectrum.masked)]
    np.testing.assert_allclose(up.T @ up, of_window, rtol=0.02, atol=0.01)


def test_a_workspace_is_strict_json_and_obeys_the_schema(spectrum):
    spec = shape_workspace(spectrum, 3500.0, 140.0, n_signal=120.0)
    again = json.loads(json.dumps(spec, allow_nan=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyhf.schema.validate(again, "workspace.json")


def test_a_hunt_becomes_a_workspace(box):
    made = box(41, n_signal=150)
    result = hunt(made.mass, made.levels, **made.scan, pseudo_experiments=500)
    assert result.best is not None
    assert discovery_z(best_workspace(result)) > 3


def test_a_spectrum_without_signal_region_is_refused():
    counts = np.random.default_rng(0).poisson(100, 16)
    with pytest.raises(FitError, match="signal region"):
        shape_workspace(fit(log_edges(2632, 6000, 16), counts), 3500.0, 140.0, n_signal=1.0)
