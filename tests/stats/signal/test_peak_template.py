from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import log_edges
from overdensity.stats.signal.peak_template import (
    ALL,
    SELECTED,
    PassingPeak,
    peak_of,
    peak_template,
)

EDGES, MASS, WIDTH = log_edges(1000.0, 12_000.0, 400), 3490.0, 118.0


@pytest.mark.parametrize("tail", [ALL, SELECTED, 9.0])
def test_templates_are_fractions_of_all_events(tail: float) -> None:
    assert peak_template(EDGES, MASS, WIDTH, tail=tail).sum() == pytest.approx(1.0, abs=1e-6)


def test_a_selection_takes_the_tails() -> None:
    far = np.abs(EDGES[1:] - MASS) > 3 * WIDTH
    whole, selected = (peak_template(EDGES, MASS, WIDTH, tail=tail) for tail in (ALL, SELECTED))
    assert selected[far].sum() < 0.6 * whole[far].sum()


def test_a_place_is_the_logarithm_of_mass_and_relative_width() -> None:
    place = np.log([MASS, WIDTH / MASS])
    np.testing.assert_allclose(peak_of(EDGES, place), peak_template(EDGES, MASS, WIDTH))
    failing, passing = PassingPeak(EDGES)(place)[0]
    assert not failing.any()
    np.testing.assert_allclose(passing, peak_template(EDGES, MASS, WIDTH, tail=SELECTED))


@pytest.mark.parametrize(("mass", "width"), [(0.0, 1.0), (MASS, 0.0)])
def test_a_peak_without_mass_or_width_is_one_sentence(mass: float, width: float) -> None:
    with pytest.raises(InputError, match="positive mass and width"):
        peak_template(EDGES, mass, width)
