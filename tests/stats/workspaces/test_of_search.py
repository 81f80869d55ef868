"""Workspaces open, fit and agree with the p-values, in pyhf."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import warnings
from pathlib import Path

import cabinetry
import numpy as np
import pyhf
import pytest

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
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.workspaces.of_search import counting_channel, shape_channel
from overdensity.stats.workspaces.pieces import combine, workspace

PYHF = Path(sys.executable).with_name("pyhf")

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def row(observed, expected, error):
    return SelectionResult(
        0.01, observed, expected, error, 0.0, 0.5, 0.0, 1.0, 1, 0.5, flagged=False, refused=False
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
    center = np.sqrt(edges[1:] * edges[:-1])
    mean = (1 - center / 13e3) ** 4 / (center / 13e3) ** 3 * np.diff(edges)
    mean *= 3000 / mean.sum()
    mean += 120 * np.exp(-(((center - 3500) / 140) ** 2) / 2) * np.diff(edges) / 140 / 2.507
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


def test_a_spurious_signal_weakens_both_models(spectrum):
    exact = row(141, 63.8, 9.0)
    loose = dataclasses.replace(exact, spurious=30.0)
    assert discovery(counting_workspace(loose)).z < 0.6 * discovery(counting_workspace(exact)).z
    shape = [
        discovery(shape_workspace(spectrum, 3500.0, 140.0, n_signal=120.0, spurious=spurious)).z
        for spurious in (0.0, 40.0)
    ]
    assert shape[1] < 0.8 * shape[0]


def test_the_best_workspace_knows_the_spurious_signal_of_its_row(box):
    made = box(41, n_signal=150)
    result = hunt(
        made.mass, made.levels, **made.scan, spurious=np.full(10, 0.05), pseudo_experiments=500
    )
    samples = best_workspace(result)["channels"][0]["samples"]
    names = {modifier["name"] for modifier in samples[1]["modifiers"]}
    assert "spurious_signal" in names


def test_window_and_shape_are_channels_of_one_workspace(spectrum):
    both = workspace(
        [
            counting_channel(row(20, 15.0, 2.0), n_signal=5.0, name="trijet"),
            shape_channel(spectrum, 3500.0, 140.0, n_signal=120.0, name="dijet"),
        ]
    )
    assert pyhf.Workspace(both).model().config.channels == ["dijet", "trijet"]
    alone = workspace([shape_channel(spectrum, 3500.0, 140.0, n_signal=120.0)])
    assert asymptotic_limit(both).expected[2] < asymptotic_limit(alone).expected[2]


def test_cabinetry_opens_and_fits(spectrum):
    spec = shape_workspace(spectrum, 3500.0, 140.0, n_signal=120.0, spurious=10.0)
    model, data = cabinetry.model_utils.model_and_data(spec)
    result = cabinetry.fit.fit(model, data)
    ours = discovery(spec)
    assert result.bestfit[model.config.poi_index] == pytest.approx(ours.mu, abs=0.02)
    assert result.uncertainty[model.config.poi_index] == pytest.approx(ours.mu_error, rel=0.1)


def test_pyhf_reads_a_workspace_on_the_command_line(spectrum, tmp_path):
    spec = shape_workspace(spectrum, 3500.0, 140.0, n_signal=120.0)
    (tmp_path / "workspace.json").write_text(json.dumps(spec))
    run(tmp_path, "inspect workspace.json --output-file inspected.json")
    found = json.loads((tmp_path / "inspected.json").read_text())
    assert found["channels"] == [["mass", 6]]
    assert sorted(found["samples"]) == ["background", "signal"]


@pytest.mark.slow(seconds=10)
def test_pyhf_combines_two_and_excludes_as_we_do(spectrum, tmp_path):
    shape = shape_workspace(spectrum, 3500.0, 140.0, n_signal=120.0)
    count = workspace([counting_channel(row(20, 15.0, 2.0), n_signal=5.0)])
    (tmp_path / "shape.json").write_text(json.dumps(shape))
    (tmp_path / "count.json").write_text(json.dumps(count))
    run(tmp_path, "combine shape.json count.json --join outer --output-file both.json")
    run(tmp_path, "cls both.json --test-poi 2.0 --output-file cls.json")
    both = json.loads((tmp_path / "both.json").read_text())
    limit = asymptotic_limit(both)
    together = asymptotic_limit(combine({"x": shape, "y": count}))
    assert limit.expected == pytest.approx(together.expected, rel=1e-4)
    excluded = json.loads((tmp_path / "cls.json").read_text())["CLs_obs"] < 0.05
    assert excluded == (limit.observed < 2.0)


def run(folder, command):
    """Run the pyhf command line."""
    subprocess.run(
        [str(PYHF), *command.split()], cwd=folder, check=True, capture_output=True, timeout=120
    )
