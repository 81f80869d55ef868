from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.stats.search.scanning import scan
from overdensity.stats.selection.patterns import count_patterns
from overdensity.workflow import load_config
from overdensity.workflow.expect.blind_data import (
    background_of,
    blind_fit,
    blind_sample,
    check_blind,
    sideband_p_value,
)
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.samples import load_sample

from ...conftest import HIGH, LOW, make_box


@pytest.fixture
def run(search_file: Path) -> Run:
    return Run(load_config(search_file))


def test_pseudo_data_hold_events_beside_the_signal_region_only(run: Run) -> None:
    window, data = run.windows[1], load_sample(run)
    theta, expected = blind_fit(run, 1)
    inside = float(expected.sum() - np.count_nonzero(~window.signal(data.mass)))
    made = blind_sample(run, window, inside, theta, 3)
    hidden, beside = (
        {row.tobytes() for row in data.features[kept]}
        for kept in (window.signal(data.mass), ~window.signal(data.mass))
    )
    drawn = {row.tobytes() for row in made.features}
    assert drawn == beside
    assert not drawn & hidden
    assert abs(len(made) - expected.sum()) < 5 * np.sqrt(inside)
    assert made.label is None
    # the new masses fill the signal region as the fit expects
    observed = np.count_nonzero(window.signal(made.mass))
    assert abs(observed - inside) < 5 * np.sqrt(inside)
    assert LOW <= made.mass.min() <= made.mass.max() < HIGH


def test_twins_are_in_one_fold(run: Run) -> None:
    theta, _ = blind_fit(run, 1)
    made = blind_sample(run, run.windows[1], 500.0, theta, 0)
    ids, times = np.unique(made.event, return_counts=True)
    assert times.max() == 2
    assert abs(np.count_nonzero(times == 2) - 500) < 5 * np.sqrt(500)
    twins = made.take(np.isin(made.event, ids[times == 2]))
    twins = twins.take(np.argsort(twins.event, kind="stable"))
    assert np.array_equal(twins.features[::2], twins.features[1::2])
    assert np.mean(twins.mass[::2] == twins.mass[1::2]) < 0.01


def test_another_number_is_another_dataset(run: Run) -> None:
    theta, _ = blind_fit(run, 1)
    first, again, other = (blind_sample(run, run.windows[1], 500.0, theta, k) for k in (0, 0, 1))
    assert np.array_equal(first.mass, again.mass)
    assert not np.array_equal(first.mass[:100], other.mass[:100])


def test_background_is_that_of_the_search(run: Run) -> None:
    mass, config = load_sample(run).mass, run.config
    patterns = count_patterns(mass, np.zeros((mass.size, 3), int), run.fit_edges)
    fits = scan(patterns, run.regions, config.selections, model=run.fit_model).fits
    found = background_of(run, 1).fits()
    assert found.expected[0, 0] == pytest.approx(fits.expected[0, 3], rel=1e-6)
    assert 0.01 < sideband_p_value(run, 0) <= 1


def test_uncertainties_of_the_function_are_in_the_error(
    run: Run, search_file: Path, tmp_path: Path
) -> None:
    pool = make_box(tmp_path / "qcd.parquet", background=20_000, signal=900, seed=5)  # a kink
    assert not background_of(run, 1).spurious.any()
    for override in (f"fit.spurious=[{pool}]", "uncertainties.functions=[dijet5, ua2]"):
        other = Run(load_config(search_file, [override]))
        check_blind(other)
        assert background_of(other, 1).spurious.any(), override


def test_a_spurious_signal_measured_on_the_data_is_refused(search_file: Path) -> None:
    run = Run(load_config(search_file, ["fit.spurious=data"]))
    with pytest.raises(ConfigError, match=r"fit\.spurious: data measures the function"):
        check_blind(run)


def test_a_start_that_the_data_choose_is_refused(search_file: Path) -> None:
    run = Run(load_config(search_file, ["fit.start=auto"]))
    with pytest.raises(ConfigError, match=r"fit\.start: auto asks where the largest excess"):
        check_blind(run)
