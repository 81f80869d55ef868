"""The limit of a single count against sums over all smaller counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from scipy.stats import nbinom, norm, poisson

from overdensity.core import FitError, InputError
from overdensity.stats.limits.counting import counting_limit
from overdensity.stats.workspaces.pieces import free_scale

from .models import count, workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


@pytest.mark.parametrize(("n", "b"), [(0, 3.0), (5, 5.0), (3, 8.0), (12, 4.5), (400, 380.0)])
def test_a_count_of_known_background_gives_the_limit_of_two_poisson_sums(n, b):
    limit = counting_limit(count(n, b)).observed
    assert special.pdtr(n, b + limit) / special.pdtr(n, b) == pytest.approx(0.05, rel=1e-3)


def test_a_gamma_background_makes_the_count_negative_binomial():
    n, b, sigma = 7, 5.0, 2.0
    shape, rate = (b / sigma) ** 2, b / sigma**2
    smeared = nbinom(shape, rate / (1 + rate)).pmf(np.arange(n + 1))
    limit = counting_limit(count(n, b, sigma)).observed
    both = (smeared * special.pdtr(n - np.arange(n + 1), limit)).sum()
    assert both / smeared.sum() == pytest.approx(0.05, rel=2e-3)


def test_a_limit_covers():
    rng, true = np.random.default_rng(1), 6.0
    limits = {n: counting_limit(count(n, 4.0)).observed for n in range(31)}
    covered = np.mean([limits[min(n, 30)] >= true for n in rng.poisson(4.0 + true, 5000)])
    assert covered >= 0.95  # CLs over-covers by construction


def test_several_bins_free_nuisances_and_no_signal_are_refused():
    with pytest.raises(InputError, match="one bin"):
        counting_limit(workspace([9, 13], [1.0, 5.0], [10.0, 9.0]))
    free = count(9, 10.0)
    free["channels"][0]["samples"][-1]["modifiers"].append(free_scale("norm"))
    with pytest.raises(InputError, match="free nuisances"):
        counting_limit(free)
    with pytest.raises(FitError, match="no signal"):
        counting_limit(workspace([9], [0.0], [10.0]))


def test_the_bands_are_the_limits_of_the_quantile_counts():
    b, found = 20.0, counting_limit(count(20, 20.0))
    for quantile, limit in zip((-2, -1, 0, 1, 2), found.expected, strict=True):
        n = int(poisson(b).ppf(norm.cdf(quantile)))
        assert limit == counting_limit(count(n, b)).observed
