"""A background in bins, its sum and its error; masks and bins that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import FitError, InputError
from overdensity.stats.spectra.predictions import check_filled, checked_mask, prediction


def test_the_error_of_the_sum_knows_the_correlations():
    mask = np.array([True, True, False])
    covariance = np.array([[4.0, 3.0, 0.0], [3.0, 9.0, 0.0], [0.0, 0.0, 1.0]])
    found = prediction(np.arange(4.0), mask, np.array([5.0, 7.0, 1.0]), covariance)
    assert found["total"] == 12
    assert found["total_error"] == pytest.approx(np.sqrt(4 + 9 + 2 * 3))
    assert found["expected_error"] == (2, 3, 1)


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(InputError, match=r"masked has shape \(2,\), but there are 3 bins"):
        checked_mask([True, False], 3)


def test_masked_bins_fix_no_parameter():
    counts, mask = np.array([5.0, 3.0, 2.0, 1.0]), np.array([True, False, False, False])
    check_filled(counts, mask, "dijet3", 2)
    with pytest.raises(FitError, match="only 3 of 3 fitted bins have events"):
        check_filled(counts, mask, "dijet3", 3)
