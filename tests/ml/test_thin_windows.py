"""Which windows are too thin to be trained on: decided without the events of the signal region."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from overdensity.core import InputError
from overdensity.ml import Window, make_method, methods, scan_windows
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.thin_windows import ThinWindow, expected_events, safe_number, thin_window

WINDOW = Window(4000.0, 3500.0, 32e6 / 7000, 3000.0, 16e6 / 3000)


def falling(n: int, seed: int = 1) -> np.ndarray:
    """Masses of a power law from 2632 GeV on."""
    return 2632 * np.random.default_rng(seed).random(n) ** (-1 / 7)


def test_safe_number_is_the_expectation_under_which_too_few_are_rare():
    for fewest in (1, 2, 10, 40, 100):
        assert poisson.cdf(fewest - 1, safe_number(fewest)) == pytest.approx(1e-6, rel=1e-3)


def test_events_of_the_signal_region_have_no_say():
    mass = falling(20_000)
    emptied = mass[~WINDOW.signal(mass)]
    full = np.append(mass, np.full(3000, 4000.0))
    assert expected_events(WINDOW, emptied) == expected_events(WINDOW, full)
    for fewest in range(1, 300, 10):
        found = [thin_window(WINDOW, m, fewest=fewest, share=0.5) for m in (emptied, full)]
        assert found[0] == found[1]


def test_signal_region_of_a_falling_spectrum_is_interpolated():
    mass = falling(400_000)
    for window in scan_windows():
        expected = expected_events(window, mass)["signal region"]
        there = window.signal(mass).sum()  # in wide regions the mean density is above the middle's
        assert 0.95 * there - 4 * np.sqrt(there) < expected < there + 4 * np.sqrt(there)


def test_the_thinnest_region_is_named_and_more_events_help():
    few = thin_window(WINDOW, falling(3000), fewest=40, share=3 / 7)
    assert few is not None
    assert "in the upper sideband" in few.reason
    assert str(few) == f"window 3500-4571 GeV is not searched: {few.reason}"
    assert thin_window(WINDOW, falling(30_000), fewest=40, share=3 / 7) is None


def test_a_window_without_events_is_thin():
    nothing = thin_window(WINDOW, np.array([]), fewest=1, share=1.0)
    assert isinstance(nothing, ThinWindow)


def test_a_scan_is_not_chosen_by_what_its_signal_regions_hold():
    """Near the threshold, excesses in the searched windows are those of chance."""
    window, kept = scan_windows()[5], []
    above = (2632 / np.array([window.low, window.high, window.sideband_high])) ** 7 * 5000
    mean, upper = -np.diff(above)
    for seed in range(400):
        mass = falling(5000, seed)
        if thin_window(window, mass, fewest=40, share=safe_number(40) / upper) is None:
            kept.append(window.signal(mass).sum())
    assert 100 < len(kept) < 300  # at the threshold
    assert np.mean(kept) == pytest.approx(mean, abs=3 * np.sqrt(mean / len(kept)))


@pytest.mark.parametrize(
    "name", [info.name for info in methods() if not info.missing and "labels" not in info.needs]
)
def test_every_method_says_how_many_events_it_needs(name):
    method = make_method(name)
    assert method.fewest_events >= 1
    if "features" in method.needs and "simulation" not in method.needs and method.windowed:
        sample = toy_sample()
        regions = TOY_WINDOW.regions(sample.mass).values()
        few = [np.flatnonzero(region)[: method.fewest_events // 2] for region in regions]
        with pytest.raises(InputError, match="needed"):
            method.fit(sample.take(np.concatenate(few)), TOY_WINDOW, seed=1)


def test_as_many_events_as_a_method_needs_are_enough():
    sample, method = toy_sample(), make_method("cwola", classifier={"members": 1})
    regions = [np.flatnonzero(each) for each in TOY_WINDOW.regions(sample.mass).values()]
    enough = np.concatenate([rows[: method.fewest_events] for rows in regions])
    assert len(method.fit(sample.take(enough), TOY_WINDOW, seed=1).score(sample)) == len(sample)
