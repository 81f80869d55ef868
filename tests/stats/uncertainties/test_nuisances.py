"""Each nuisance has its name, and moves significance and limit where it must."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.uncertainties.nuisances import (
    SignalErrors,
    moved_masses,
    peak_shapes,
    signal_variations,
)
from overdensity.stats.workspaces.categories import categories

from ..workspaces.whole_range import EDGES, MODEL, peak, thrown

NONE = SignalErrors()


def varied(**errors):
    """Return the nuisances of a peak of which half passes."""
    both = np.stack([peak(), peak()])
    given = SignalErrors(**errors)
    shapes = {
        name: tuple(60 * np.stack([shape, shape]) for shape in pair)
        for name, pair in peak_shapes(EDGES, 3500.0, 140.0, given).items()
    }
    return both, signal_variations(both, given, shapes)


def limits(n_signal, **errors):
    """Return the limits and the significance of the peak in all bins."""
    passing, failing = thrown(n_signal=n_signal)
    both, variations = varied(**errors)
    model = categories(EDGES, passing, failing, signal=both, variations=variations, model=MODEL)
    return asymptotic_limit(model), discovery(model)


@pytest.mark.parametrize("name", ["luminosity", "tagger", "position", "width"])
def test_an_uncertainty_of_the_signal_weakens_the_limit(name: str) -> None:
    size = 0.02 if name == "position" else 0.3
    exact, loose = limits(60.0), limits(60.0, **{name: size})
    assert loose[0].observed > 1.005 * exact[0].observed
    # What is not there has no uncertainty: without signal little changes, and never for the better.
    without, same = limits(0.0), limits(0.0, **{name: size})
    assert same[0].observed > 0.995 * without[0].observed
    assert same[1].z < without[1].z + 0.3


def test_the_size_of_a_signal_does_not_matter_to_its_significance() -> None:
    assert limits(60.0, luminosity=0.3)[1].z == pytest.approx(limits(60.0)[1].z, abs=1e-3)


def test_what_passes_more_fails_less() -> None:
    both, variations = varied(tagger=0.2)
    for changed in (variations["tagger"].up, variations["tagger"].down):
        np.testing.assert_allclose(changed.sum(axis=0), both.sum(axis=0))


def test_simulated_masses_move_as_a_peak_does() -> None:
    """Events of a Gaussian, moved and binned, are the Gaussian that is moved."""
    given = SignalErrors(position=0.02, width=0.3)
    mass = np.random.default_rng(1).normal(3500.0, 140.0, 100_000)
    shapes = peak_shapes(EDGES, 3500.0, 140.0, given)
    moved = moved_masses(mass, given)
    assert moved.keys() == shapes.keys() == {"position", "width"}
    for name, both in moved.items():
        for masses, shape in zip(both, shapes[name], strict=True):
            found = np.histogram(masses, EDGES)[0] / mass.size
            np.testing.assert_allclose(found, shape, atol=0.01)


def test_nothing_uncertain_is_no_nuisance() -> None:
    assert signal_variations(peak(), NONE, peak_shapes(EDGES, 3500.0, 140.0, NONE)) == {}
    assert moved_masses(np.array([3500.0]), NONE) == {}


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="luminosity is 1"):
        SignalErrors(luminosity=1.5)
