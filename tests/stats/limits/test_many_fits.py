"""Fits of many datasets at once, against the solution by hand and the saturated model."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.stats.limits.likelihood import likelihood
from overdensity.stats.limits.many_fits import fit_many
from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf

BACKGROUND = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
MODEL = likelihood(workspace([Channel("count", (52.0,), (signal([10.0]), BACKGROUND))]))
COUNTS = np.array([[52.0], [70.0], [30.0]])
BESIDE = np.tile(MODEL.auxiliary, (3, 1))
OTHER = 1 - MODEL.poi


def test_a_free_strength_is_the_excess_and_never_negative():
    fits = fit_many(MODEL, COUNTS, BESIDE)
    np.testing.assert_allclose(fits.theta[:, MODEL.poi], [0.2, 2.0, 0.0], atol=1e-4)
    assert fits.converged.all()
    np.testing.assert_allclose(fits.nll[:2], 0.0, atol=1e-8)  # as good as the saturated model


def test_without_signal_the_background_is_the_mean_of_both_counts():
    # 100 events beside, in which 50 of background are 100: gamma = (n + 100) / (50 + 100)
    fits = fit_many(MODEL, COUNTS, BESIDE, strength=0.0)
    np.testing.assert_allclose(fits.theta[:, OTHER], (COUNTS[:, 0] + 100) / 150, rtol=1e-5)
    np.testing.assert_array_equal(fits.theta[:, MODEL.poi], 0.0)


def test_a_fit_does_not_depend_on_those_beside_it():
    together = fit_many(MODEL, COUNTS, BESIDE)
    alone = fit_many(MODEL, COUNTS[1:2], BESIDE[1:2])
    np.testing.assert_allclose(together.theta[1], alone.theta[0], rtol=1e-10)


def test_a_start_elsewhere_leads_to_the_same_place():
    start = np.tile(MODEL.start, (3, 1)) * [[3.0], [0.3], [2.0]]
    np.testing.assert_allclose(
        fit_many(MODEL, COUNTS, BESIDE, start=start).theta,
        fit_many(MODEL, COUNTS, BESIDE).theta,
        atol=1e-4,
    )
