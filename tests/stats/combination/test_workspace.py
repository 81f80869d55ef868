"""Workspaces of several channels with independent strengths."""

from __future__ import annotations

import dataclasses
import json

import pyhf
import pytest

from overdensity.core import FitError
from overdensity.stats.combination.channels_hunt import hunt_channels
from overdensity.stats.combination.workspace import combined_workspace

from .test_channels_hunt import WINDOWS, make_channels


@pytest.fixture(scope="module")
def found():
    return hunt_channels(make_channels(21, 80, 130), WINDOWS, pseudo_experiments=250, seed=1)


def test_it_validates_and_has_a_strength_of_each_channel(found):
    stored = json.loads(json.dumps(combined_workspace(found)))
    workspace = pyhf.Workspace(stored)
    assert workspace.channels == ["mjj_mass", "mjjj_mass"]
    assert workspace.measurement_names == ["mjj", "mjjj"]
    for name in ("mjj", "mjjj"):
        model = workspace.model(measurement_name=name)
        assert model.config.poi_name == f"mu_{name}"
        assert {"mu_mjj", "mu_mjjj"} <= set(model.config.par_names)
        assert "mu" not in model.config.par_names


def test_the_joint_likelihood_ratio_is_the_sum_over_channels(found):
    workspace = pyhf.Workspace(combined_workspace(found))
    model = workspace.model(measurement_name="mjj")
    data = workspace.data(model)
    _, best = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
    fixed, start = model.config.suggested_fixed(), model.config.suggested_init()
    for name in ("mu_mjj", "mu_mjjj"):
        k = model.config.par_map[name]["slice"].start
        fixed[k], start[k] = True, 0.0
    _, null = pyhf.infer.mle.fit(
        data, model, init_pars=start, fixed_params=fixed, return_fitted_val=True
    )
    separate = 0.0
    for name in ("mjj", "mjjj"):
        single = workspace.prune(channels=[f"{other}_mass" for other in {"mjj", "mjjj"} - {name}])
        config = single["measurements"][0]["config"]
        poi = f"mu_{name}"
        config["poi"] = poi
        config["parameters"] = [
            each for each in config["parameters"] if each["name"].startswith(("mu_" + name, name))
            and each["name"] != f"mu_{'mjjj' if name == 'mjj' else 'mjj'}"
        ]  # fmt: skip
        one = pyhf.Workspace({**single, "measurements": single["measurements"][:1]}).model()
        values = pyhf.Workspace(single).data(one)
        separate += float(pyhf.infer.test_statistics.q0(
            0.0, values, one, one.config.suggested_init(), one.config.suggested_bounds(),
            one.config.suggested_fixed(),
        ))  # fmt: skip
    assert null - best == pytest.approx(separate, rel=0.02, abs=0.05)


def test_a_channel_without_a_fit_stays_out(found):
    peaks = (dataclasses.replace(found.peaks[0], spectrum=None), found.peaks[1])
    workspace = combined_workspace(dataclasses.replace(found, peaks=peaks))
    assert [channel["name"] for channel in workspace["channels"]] == ["mjjj_mass"]
    with pytest.raises(FitError, match="no model"):
        combined_workspace(dataclasses.replace(found, peaks=()))
