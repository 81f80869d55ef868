"""The displayed spectrum of a selection, and the peak in it, against the rows of the scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import FitError
from overdensity.stats import count_patterns, subdivide
from overdensity.stats.search.scanning import scan
from overdensity.stats.search.selected_spectrum import selected_peak, selected_spectrum


@pytest.fixture(scope="module")
def scanned(box):
    made = box(41, 20_000, n_signal=120)
    patterns = count_patterns(made.mass, made.levels, subdivide(made.edges, 2))
    return scan(patterns, made.windows, made.efficiencies)


@pytest.mark.parametrize("k", [9, 10, 11])
def test_a_spectrum_holds_the_numbers_of_its_row(scanned, k):
    found = selected_spectrum(scanned, k, seed=1)
    assert found.total == pytest.approx(scanned.fits.expected[0, k], rel=1e-9)
    # the row takes the information at the last accepted point
    assert found.total_error == pytest.approx(scanned.fits.error[0, k], rel=1e-3)
    assert found.observed == scanned.observed[k]
    np.testing.assert_array_equal(found.counts, scanned.counts[k])
    covariance = np.array(found.covariance)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), found.expected_error)
    before = scanned.problem.basis.expected(scanned.fits.theta[0, 2])
    np.testing.assert_allclose(found.expected, before * np.array(found.efficiency))
    assert found.ndf == (~np.array(found.masked)).sum() - 5
    assert 0 < found.p_value <= 1


def test_a_peak_is_found_where_it_is(scanned):
    peak = selected_peak(scanned, 10)
    assert peak.valid
    assert peak.mass == pytest.approx(3500, abs=80)
    assert peak.z > 4
    excess = scanned.observed[10] - scanned.fits.expected[0, 10]
    assert peak.n_signal == pytest.approx(excess, rel=0.4)


def test_a_fit_that_did_not_converge_has_no_spectrum(scanned):
    failed = replace(scanned.fits, converged=np.zeros_like(scanned.fits.converged))
    with pytest.raises(FitError, match=r"selection of 0\.01"):
        selected_spectrum(replace(scanned, fits=failed), 10, seed=1)
