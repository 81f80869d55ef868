"""The significance of a signal against the formula of a count."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.p_values.local import gamma_q0

from .models import count

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def test_a_count_with_a_known_background_is_discovered_as_the_formula_says():
    n, b = 25, 12.0
    found = discovery(count(n, b))
    assert found.mu == pytest.approx(n - b, rel=1e-5)
    assert found.q0 == pytest.approx(2 * (n * np.log(n / b) - (n - b)), rel=1e-6)


def test_a_background_that_was_itself_counted_gives_the_on_off_formula():
    assert discovery(count(40, 20.0, 4.0)).q0 == pytest.approx(gamma_q0(40, 20, 4), rel=1e-5)


def test_a_deficit_is_no_discovery():
    found = discovery(count(5, 12.0))
    assert (found.z, found.p) == (0.0, 0.5)


def test_the_error_is_the_step_at_which_the_likelihood_ratio_is_one():
    n, b = 25.0, 12.0
    found = discovery(count(n, b))
    mean = n + found.mu_error
    assert 2 * (mean - n - n * np.log(mean / n)) == pytest.approx(1.0, rel=1e-3)
