"""Limits on selected yields, against integrals of the count and against pyhf."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyhf
import pytest
from scipy.optimize import brentq
from scipy.special import pdtr
from scipy.stats import gamma, norm

from overdensity.core import FitError
from overdensity.stats import SelectionResult, WindowResult, counting_workspace
from overdensity.workflow.limits import yield_limits
from overdensity.workflow.limits.yield_limits import window_limits, yield_limit

CASES = [(100.0, 5.0, 30.0, 63.0), (100.0, 5.0, 10.0, 30.3), (300.0, 10.0, 30.0, 70.9)]


def row(background: float, error: float, spurious: float) -> SelectionResult:
    """A selection in which exactly the expected number of events is observed."""
    return SelectionResult(
        0.01, round(background), background, error, spurious, 0.5, 0.0, 8.0, 9, 0.5, False, False
    )


def integrated_limit(background: float, error: float, spurious: float) -> float:
    """CLs limit of the count: Gamma errors of the fit, and a Gaussian number of fabricated events."""
    steps = (np.arange(200) + 0.5) / 200
    scale = gamma.ppf(steps, (background / error) ** 2) * (error / background) ** 2
    eta = np.linspace(-6, 6, 241)
    weight = norm.pdf(eta) / norm.pdf(eta).sum()
    mean = np.maximum(background + spurious * eta, 1e-7) * scale[:, None]

    def below(strength: float) -> float:
        return float((pdtr(round(background), mean + strength) * weight).sum(axis=1).mean())

    without = below(0.0)
    return float(brentq(lambda s: below(s) / without - 0.05, 0.0, 10 * background, rtol=1e-5))


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf
@pytest.mark.parametrize(("background", "error", "spurious", "quoted"), CASES)
def test_the_spurious_signal_counts_once(
    background: float, error: float, spurious: float, quoted: float
) -> None:
    limit = yield_limit(row(background, error, spurious), 0.95)
    assert limit.observed == pytest.approx(quoted, abs=0.06)
    assert limit.observed == pytest.approx(integrated_limit(background, error, spurious), rel=2e-3)
    model = pyhf.Workspace(counting_workspace(limit.selection, n_signal=50.0)).model()
    asymptotic, _ = pyhf.infer.intervals.upper_limits.upper_limit(
        [background, *model.config.auxdata],
        model,
        quoted / 50 * np.linspace(0.7, 1.3, 7),
        level=0.05,
    )
    assert limit.observed == pytest.approx(50 * float(asymptotic), rel=0.03)


def test_a_limit_without_spurious_signal_is_that_of_the_count_alone() -> None:
    limit = yield_limit(row(100.0, 5.0, 0.0), 0.95)
    assert limit.observed == pytest.approx(integrated_limit(100.0, 5.0, 1e-9), rel=2e-3)


def test_the_row_is_kept_as_it_is() -> None:
    counts = row(100.0, 5.0, 30.0)
    assert yield_limit(counts, 0.95).selection is counts


def test_a_flagged_row_has_no_limit() -> None:
    flagged = dataclasses.replace(row(100.0, 5.0, 0.0), p_local=None, z_local=None, flagged=True)
    limit = yield_limit(flagged, 0.95)
    assert (limit.observed, limit.expected) == (None, ())


def test_a_fit_that_fails_gives_no_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        msg = "no strength is excluded"
        raise FitError(msg)

    monkeypatch.setattr(yield_limits, "upper_limit", fails)
    assert yield_limit(row(100.0, 5.0, 0.0), 0.95).observed is None
    assert "no limit at 0.01: no strength is excluded" in caplog.text


def test_a_window_has_a_limit_for_each_selection() -> None:
    loose, tight = row(100.0, 5.0, 0.0), row(4.0, 1.0, 0.0)
    before = dataclasses.replace(loose, searched=False)
    window = WindowResult(3464.1, 3000.0, 4000.0, before, (loose, tight))
    limits = window_limits(window, 0.95)
    assert (limits.center, limits.low, limits.high) == (3464.1, 3000.0, 4000.0)
    assert [limit.selection for limit in limits.selections] == [loose, tight]
    assert limits.selections[1].observed < limits.selections[0].observed
    searched = WindowResult(3464.1, 3000.0, 4000.0, loose, (tight,))
    assert [limit.selection for limit in window_limits(searched, 0.95).selections] == [loose, tight]
