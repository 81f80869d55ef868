"""Where fits begin: above a turn-on, at the lower end without one, and calibrated with the choice inside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from overdensity.core import FitError, InputError
from overdensity.stats import FitModel, choose_start, count_patterns, hunt, log_edges
from overdensity.stats.search.fit_start import FitStart, StartCandidate, beyond_start

EDGES = log_edges(2500, 6000, 32)
REGIONS = np.array([EDGES[[k, k + 4]] for k in (8, 12, 16, 20, 24)])
MODEL = FitModel("dijet3")
STARTS, BELOW = EDGES[:16:2], 4
TURN_ON = 2900.0  # GeV, below which events are lost


def box(seed: int, *, turn_on: bool, n_signal: int = 0, n: int = 40_000) -> tuple:
    """Masses, and whether events pass a cut that knows nothing of them, or signal with it."""
    rng = np.random.default_rng(seed)
    mass = 2500 / rng.random(n) ** 0.2
    mass = mass[mass < 6000]
    if turn_on:
        mass = mass[rng.random(len(mass)) < np.clip((mass - 2100) / (TURN_ON - 2100), 0, 1)]
    mass = np.r_[mass, rng.normal(3900, 90, n_signal)]
    passed = rng.random((len(mass), len(REGIONS))) < 0.1
    passed[len(mass) - n_signal :] = rng.random((n_signal, 1)) < 0.6
    return mass, passed.astype(np.int8)


def chosen(mass: np.ndarray, levels: np.ndarray) -> FitStart:
    patterns = count_patterns(mass, levels, EDGES)
    return choose_start(patterns, REGIONS, [0.1], starts=STARTS, below=BELOW, model=MODEL)


def searched(mass: np.ndarray, levels: np.ndarray, seed: int, n: int) -> tuple[float, float]:
    """Return the start, and the global p-value of the search that begins there."""
    found = chosen(mass, levels)
    kept = beyond_start(EDGES, REGIONS, found.start, BELOW)
    fitted = mass >= found.start
    result = hunt(
        mass[fitted],
        levels[fitted][:, kept],
        edges=EDGES[found.start <= EDGES][::2],
        windows=REGIONS[kept],
        efficiencies=[0.1],
        model=MODEL,
        pseudo_experiments=n,
        seed=seed,
    )
    return found.start, 1.0 if result.global_p is None else result.global_p.p_global


def test_fits_begin_above_a_turn_on() -> None:
    found = chosen(*box(1, turn_on=True))
    assert found.holds
    assert TURN_ON * 0.93 < found.start < TURN_ON * 1.08
    shares = [each.share for each in found.candidates]
    assert shares[0] > 0.5
    assert shares[-1] < 0.1
    assert [each.start for each in found.candidates] == STARTS[: len(shares)].tolist()
    assert str(found).startswith(f"fits begin at {found.start:.0f} GeV; bad ones: ")


def test_a_spectrum_without_a_turn_on_is_fitted_from_its_lower_end() -> None:
    assert chosen(*box(2, turn_on=False)).start == EDGES[0]


def test_a_signal_moves_the_start_little_and_is_found() -> None:
    sample = box(3, turn_on=True, n_signal=200)
    start, p_global = searched(*sample, seed=1, n=500)
    assert TURN_ON * 0.93 < start < TURN_ON * 1.15
    assert p_global < 0.01


@pytest.mark.parametrize("n_signal", [80, 150, 600])
@pytest.mark.parametrize("seed", [1, 3])
def test_a_start_does_not_avoid_a_signal(n_signal: int, seed: int) -> None:
    """It lies in the sidebands of all other windows, whose fits are bad for no fault of the function."""
    rng, edges = np.random.default_rng(seed), log_edges(2632, 5500, 28)
    regions = np.array([edges[[2 * k, 2 * k + 6]] for k in range(1, 10)])
    mass = 2632 * (1 - rng.random(40_000)) ** (-1 / 7)
    mass = np.r_[mass[mass < 5500], rng.normal(3400, 100, n_signal)]
    tail = np.where(rng.random(n_signal) < 0.5, 0.002, 0.1) * rng.random(n_signal)
    score = np.r_[rng.random(len(mass) - n_signal), tail]
    passed = (score < 0.1).astype(int) + (score < 0.01) + (score < 0.002)
    found = choose_start(
        count_patterns(mass, np.repeat(passed[:, None], len(regions), axis=1), edges),
        regions,
        (1, 0.1, 0.01, 0.002),
        starts=edges[:-6:2],
        below=2,
        model=FitModel(),
    )
    assert (found.start, found.holds) == (edges[0], True)


def test_windows_too_near_the_start_are_not_searched() -> None:
    assert beyond_start(EDGES, REGIONS, EDGES[0], 4).all()
    assert beyond_start(EDGES, REGIONS, EDGES[6], 4).tolist() == [False, True, True, True, True]


def test_a_start_between_two_edges_is_refused() -> None:
    with pytest.raises(InputError, match="fits cannot begin at 2600 GeV, which is no bin edge"):
        beyond_start(EDGES, REGIONS, 2600.0, 4)


def test_without_any_fit_there_is_no_start() -> None:
    few = count_patterns([2600.0], np.zeros((1, len(REGIONS)), int), EDGES)
    with pytest.raises(FitError, match="no start of the fits"):
        choose_start(few, REGIONS, [0.1], starts=STARTS, below=BELOW, model=MODEL)


def test_a_start_survives_its_file(tmp_path) -> None:
    found = FitStart(2600.0, (StartCandidate(2500.0, 3, 10), StartCandidate(2600.0, 0, 8)), True)
    found.to_json(tmp_path / "start.json")
    assert FitStart.from_json(tmp_path / "start.json") == found


@pytest.mark.slow(seconds=30)
def test_p_values_without_signal_are_uniform_with_the_choice_inside() -> None:
    """Each pseudo-experiment has its own start, which 40 000 events do not always agree on."""
    found = [searched(*box(100 + k, turn_on=True), seed=k, n=250) for k in range(60)]
    starts, p = np.array(found).T
    assert len(set(starts.tolist())) > 1
    assert kstest(p, "uniform").pvalue > 0.01
