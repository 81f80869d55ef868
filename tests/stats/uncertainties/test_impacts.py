"""Pulls, constraints and impacts are those of cabinetry, and the scan is a likelihood."""

from __future__ import annotations

import warnings

import cabinetry
import pytest
from scipy.stats import chi2

from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.uncertainties.impacts import impacts, strength_scan
from overdensity.stats.workspaces.pieces import (
    Channel,
    Sample,
    normalisation,
    shape_variation,
    signal,
    workspace,
)

from ..workspaces.whole_range import known

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def small():
    """Return two bins with an effect on the signal and two on the background."""
    tilt = shape_variation("tilt", [110.0, 45.0], [90.0, 55.0])
    background = Sample("background", (100.0, 50.0), (normalisation("size", 0.1), tilt))
    peak = signal([5.0, 20.0], normalisation("efficiency", 0.15))
    return workspace([Channel("bins", (112.0, 74.0), (peak, background))])


def test_pulls_constraints_and_impacts_are_those_of_cabinetry() -> None:
    ours = impacts(small())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from inside cabinetry and pyhf
        model, data = cabinetry.model_utils.model_and_data(small())
        fit = cabinetry.fit.fit(model, data)
        ranking = cabinetry.fit.ranking(model, data, fit_results=fit)
    assert ours.mu == pytest.approx(fit.bestfit[model.config.poi_index], abs=0.01)
    for k, label in enumerate(ranking.labels):
        mine = ours.of(label)
        assert mine.pull == pytest.approx(ranking.bestfit[k], abs=0.02)
        assert mine.constraint == pytest.approx(ranking.uncertainty[k], abs=0.03)
        assert mine.up == pytest.approx(ranking.postfit_up[k], abs=0.03)
        assert mine.down == pytest.approx(ranking.postfit_down[k], abs=0.03)


def test_the_largest_impact_comes_first() -> None:
    sizes = [each.size for each in impacts(known(simulated=True)).impacts]
    assert sizes == sorted(sizes, reverse=True)


def test_background_that_looks_like_signal_lowers_the_strength() -> None:
    found = impacts(known(simulated=True))
    assert found.of("spurious_signal").up < 0 < found.of("spurious_signal").down
    assert found.of("luminosity").up < 0 < found.of("luminosity").down
    assert found.of("background_1").pull is None


def test_a_scan_says_what_the_fit_says() -> None:
    scan, found = strength_scan(known(simulated=True), n=25), discovery(known(simulated=True))
    assert scan.profiled[0] == pytest.approx(found.q0, rel=0.01)
    assert min(scan.profiled) < chi2.ppf(0.1, 1)
    assert all(s >= p - 1e-6 for s, p in zip(scan.statistical, scan.profiled, strict=True))
