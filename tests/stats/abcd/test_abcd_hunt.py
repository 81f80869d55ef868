"""A search by two scores: quiet without a signal, also where it does not close, and finds one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from overdensity.stats import HuntResult, log_edges, selection_levels
from overdensity.stats.abcd.abcd_hunt import hunt_abcd

EDGES = log_edges(2500, 6000, 16)
WINDOWS = [EDGES[[k, k + 3]] for k in range(2, 12)]
CUTS = np.array([0.1, 0.01])


def hunted(
    seed: int, signal: int = 0, *, common: float = 0.0, pseudo_experiments: int = 250
) -> HuntResult:
    """Search a box with a turn-on, whose first score follows the mass; ``common`` ties both together."""
    rng, n = np.random.default_rng(seed), 12_000
    mass = 2500 * (1 - 0.98 * rng.random(n)) ** -0.2
    mass = mass[rng.random(n) < np.clip((mass - 2100) / 1200, 0.2, 1)]
    shared = common * rng.normal(size=mass.size)
    both = rng.normal(size=(2, mass.size)) + shared
    both[0] += np.log(mass / 3500)
    mass = np.r_[mass, rng.normal(3600, 90, signal)]
    both = np.c_[both, rng.normal(2.5, 1.0, (2, signal))]
    fold = rng.integers(0, 3, mass.size)
    levels = [selection_levels(each, fold, np.sqrt(CUTS).tolist()) for each in both]
    return hunt_abcd(
        *(mass, *levels),
        edges=EDGES,
        windows=WINDOWS,
        efficiencies=[1.0, *CUTS],
        pseudo_experiments=pseudo_experiments,
        seed=seed,
    )


def test_a_signal_is_found_where_no_function_describes_the_spectrum() -> None:
    found = hunted(3, signal=80)
    assert found.best is not None
    assert found.global_p is not None
    assert found.global_p.z_global > 4
    assert abs(found.best.resonance.mass - 3600) < 60
    shown = found.best.spectra[found.windows[0].place_of(found.best.efficiency)]
    row = found.windows[found.best.window].most_significant
    assert shown is not None
    assert row is not None
    assert shown.total == pytest.approx(row.expected)
    assert (found.function, found.repeats, found.windows[0].unselected.searched) == (
        *("abcd", None, False),
    )


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("common", [0.0, 0.3])
def test_global_p_values_are_not_too_small_without_a_signal(common: float) -> None:
    found = [hunted(100 + seed, common=common) for seed in range(60)]
    p = np.array([each.global_p.p_global for each in found if each.global_p is not None])
    assert len(p) == 60
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01
    assert (p < 0.05).mean() < 0.12


def test_scores_that_depend_on_each_other_are_told() -> None:
    found = hunted(1, common=0.5)
    assert any("both scores are not independent" in flag for flag in found.flags)
    assert found.global_p is not None
    assert found.global_p.p_global > 0.01


def test_a_closure_that_changes_with_the_mass_is_flagged() -> None:
    rng = np.random.default_rng(7)
    mass = 2500 * (1 - 0.98 * rng.random(30_000)) ** -0.2
    shared = rng.normal(size=mass.size) * np.clip((mass - 2500) / 1000, 0, 1.5)
    fold = np.zeros(mass.size, int)
    levels = [selection_levels(rng.normal(size=mass.size) + shared, fold, [0.3]) for _ in range(2)]
    found = hunt_abcd(
        *(mass, *levels), edges=EDGES, windows=WINDOWS, efficiencies=[0.09], pseudo_experiments=250
    )
    assert found.best is None
    assert any("changes with the mass" in flag for flag in found.flags)


def test_a_signal_region_without_an_event_is_no_fault_of_the_closure() -> None:
    rng, n = np.random.default_rng(4), 12_000
    mass = 2500 * (1 - 0.98 * rng.random(n)) ** -0.2
    low, high = WINDOWS[-1]
    levels = rng.choice(3, size=(2, n), p=[0.7, 0.2, 0.1])
    empty = (mass >= low) & (mass < high) & (levels.min(axis=0) == 2)
    found = hunt_abcd(
        *(mass[~empty], *levels[:, ~empty]),
        edges=EDGES,
        windows=WINDOWS,
        efficiencies=[0.09, 0.01],
        pseudo_experiments=250,
    )
    row = found.windows[-1].rows[2]
    assert (row.observed, row.p_local, row.flagged) == (0, 1.0, False)
    assert row.z_local == pytest.approx(-8.2, abs=0.1)
    assert found.flags == ()
