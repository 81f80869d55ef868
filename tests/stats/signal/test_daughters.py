from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats.signal.daughters import daughter_mass


def jets(rng: np.random.Generator, *, signal: int, background: int, mass: float = 500.0):
    """Selected events in the signal region, and beside it; the selection prefers heavy jets."""
    inside = np.concatenate(
        [rng.normal(mass, 30.0, signal), rng.gamma(4.0, 90.0, rng.poisson(background))]
    )
    return inside, rng.gamma(4.0, 90.0, rng.poisson(2 * background))


def test_peak_stands_where_the_jets_of_the_signal_are() -> None:
    inside, beside = jets(np.random.default_rng(1), signal=300, background=300)
    found = daughter_mass(inside, beside, 300.0, name="heavier jet", seed=1)
    assert found.mass == pytest.approx(500.0, abs=4 * 30.0 / np.sqrt(300))
    assert found.width == pytest.approx(30.0, rel=0.35)
    assert found.n_events == inside.size
    assert daughter_mass(inside, beside, 300.0, name="heavier jet", seed=1) == found


def test_errors_are_those_of_the_position() -> None:
    pulls = []
    for seed in range(16):
        inside, beside = jets(np.random.default_rng(seed), signal=120, background=150)
        found = daughter_mass(inside, beside, 150.0, name="m", seed=seed)
        assert found.mass is not None
        assert found.mass_error is not None
        pulls.append((found.mass - 500.0) / found.mass_error)
    assert abs(np.mean(pulls)) < 0.7
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.5


def test_light_peak_on_top_of_the_bulk_is_found() -> None:
    inside, beside = jets(np.random.default_rng(3), signal=300, background=200, mass=150.0)
    found = daughter_mass(inside, beside, 200.0, name="lighter jet", seed=1)
    assert found.mass == pytest.approx(150.0, abs=12.0)


def test_without_an_excess_there_is_no_peak() -> None:
    inside, beside = jets(np.random.default_rng(2), signal=0, background=300)
    found = daughter_mass(inside, beside, 300.0, name="m", seed=1)
    assert (found.mass, found.mass_error, found.width) == (None, None, None)


def test_masses_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        daughter_mass([np.nan, 1.0], [1.0], 1.0, name="m", seed=1)
