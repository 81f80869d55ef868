"""Counts of the last bins: limits on visible cross sections, local and global p-values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, poisson

from overdensity.core import InputError
from overdensity.stats.p_values.local import z_of_log_p
from overdensity.stats.workspaces.score_shape import Region, Template
from overdensity.stats.workspaces.visible import visible_counts

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf
NONE = Template((0.0, 0.0), (0.0, 0.0))


def region(name: str, observed: float, expected: float, error: float = 0.0) -> Region:
    """A region whose last bin is known up to its statistical error and the luminosity."""
    factors = {"luminosity": 0.02} if error else {}
    template = Template((50.0, expected), (1.0 if error else 0.0, error), factors=factors)
    return Region(name, (50.0, observed), {"zz": template}, NONE)


def test_the_limit_of_no_events_is_three() -> None:
    found = visible_counts([region("SR", 0, 1.0)], luminosity=10).regions[0]
    assert found.events == pytest.approx(3.0, abs=0.01)
    assert found.cross_section == pytest.approx(0.3, abs=0.001)
    assert found.p_local == 1


def test_the_p_value_of_a_known_background_is_poissons() -> None:
    found = visible_counts([region("SR", 9, 3.0)], luminosity=1).regions[0]
    assert found.p_local == pytest.approx(poisson.sf(8, 3.0), rel=1e-6)


def test_a_p_value_below_all_numbers_has_a_finite_significance() -> None:
    found = visible_counts([region("SR", 500, 3.0)], luminosity=1).regions[0]
    assert found.p_local == 0
    assert found.z_local == pytest.approx(z_of_log_p(poisson.logpmf(500, 3.0)), rel=1e-3)


def test_the_global_p_of_one_region_without_uncertainties_is_its_local_p() -> None:
    found = visible_counts([region("SR", 9, 3.0)], luminosity=1)
    assert found.p_global == pytest.approx(found.regions[0].p_local, rel=0.3)  # 156 of 40 960


def test_the_global_p_counts_how_many_regions_were_looked_at() -> None:
    quiet = [region(f"CR{i}", 40, 40.0, 1.0) for i in range(4)]
    found = visible_counts([region("SR", 9, 3.0, 0.3), *quiet], luminosity=1)
    local = found.regions[0].p_local
    assert min(each.p_local for each in found.regions) == local
    assert 2 * local < found.p_global < 7 * local


def test_an_uncertain_background_weakens_both() -> None:
    sure, unsure = (
        visible_counts([region("SR", 9, 3.0, error)], luminosity=1).regions[0]
        for error in (0.0, 1.5)
    )
    assert unsure.p_local > sure.p_local
    assert unsure.events_expected[2] > sure.events_expected[2]


def test_a_luminosity_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="the luminosity is 0"):
        visible_counts([region("SR", 1, 1.0)], luminosity=0)


@pytest.mark.slow(seconds=25)
def test_global_p_is_uniform_and_limits_cover_on_pseudo_experiments() -> None:
    rng = np.random.default_rng(3)
    p, covered = [], []
    for _ in range(40):
        sizes = 1 + 0.02 * rng.normal()
        regions = [
            region(str(i), rng.poisson(max(b + e * rng.normal(), 0) * sizes + 6.0 * (i == 0)), b, e)
            for i, (b, e) in enumerate([(8.0, 1.0), (30.0, 2.0), (4.0, 0.5)])
        ]
        quiet = replace(
            regions[0], observed=(50.0, float(rng.poisson(max(8 + rng.normal(), 0) * sizes)))
        )
        p.append(visible_counts([quiet, *regions[1:]], luminosity=1, seed=1).p_global)
        covered.append(visible_counts(regions[:1], luminosity=1).regions[0].events >= 6.0)
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01  # never too small
    assert np.mean(p) < 0.65
    assert np.mean(covered) > 0.85
