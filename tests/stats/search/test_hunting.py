"""The whole statistical step."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from overdensity.core import ConfigError, FitError, InputError
from overdensity.stats import (
    FitModel,
    HuntResult,
    best_workspace,
    count_patterns,
    hunt,
    hunt_patterns,
    subdivide,
)


@pytest.fixture(scope="module")
def empty(box):
    made = box(51)
    return made, hunt(made.mass, made.levels, **made.scan, pseudo_experiments=1000, seed=1)


@pytest.fixture(scope="module")
def found(box):
    made = box(52, n_signal=120)
    return made, hunt(made.mass, made.levels, **made.scan, pseudo_experiments=1000, seed=1)


def test_background_alone_is_not_significant(empty):
    _, result = empty
    assert result.global_p.p_global > 0.01
    assert result.flags == ()


def test_a_signal_is_found_where_it_is(found):
    _, result = found
    assert result.global_p.p_global < 2e-3
    window = result.windows[result.best.window]
    assert window.low < 3500 < window.high
    peak = result.best.resonance
    assert abs(peak.mass - 3500) < 4 * peak.mass_error
    assert abs(peak.mass / 3500 - 1) < 0.03


def test_a_signal_in_the_sidebands_of_other_windows_is_no_flag(found):
    _, result = found
    assert result.flags == ()


def test_refused_selections_are_flagged_and_do_not_count(found):
    made, without = found
    best = without.best.window
    refused = np.zeros((10, 3), bool)
    refused[best - 1 : best + 2] = True
    result = hunt(
        made.mass, made.levels, **made.scan, pseudo_experiments=1000, seed=1, refused=refused
    )
    rows = [row for window in result.windows for row in window.selections]
    assert [row.refused for row in rows] == refused.ravel().tolist()
    assert all(row.flagged for row in rows if row.refused)
    assert result.best is None or abs(result.best.window - best) > 1
    sentences = [flag for flag in result.flags if "fabricates an excess" in flag]
    assert len(sentences) == 3
    assert "efficiency 0.1, 0.01, 0.002" in sentences[0]


def test_everything_refused_gives_no_result(empty):
    made, _ = empty
    result = hunt(
        made.mass,
        made.levels,
        **made.scan,
        pseudo_experiments=500,
        refused=np.ones((10, 3), bool),
    )
    assert result.best is None
    assert result.global_p is None
    assert any("there is no result" in flag for flag in result.flags)


def test_refusals_have_the_shape_of_the_scan(empty):
    made, _ = empty
    with pytest.raises(InputError, match="10 windows of 3 selections"):
        hunt(made.mass, made.levels, **made.scan, refused=np.zeros((3, 10), bool))


def test_the_best_is_the_smallest_counted_p_value(found):
    _, result = found
    rows = [row for window in result.windows for row in window.selections if not row.flagged]
    assert result.best.p_local == min(row.p_local for row in rows)


def test_the_unselected_spectrum_is_shown_but_not_counted(found):
    _, result = found
    assert not result.unselected_counted
    assert result.best.efficiency != 1


def like_background(box, n_signal):
    """Return masses and levels of 10 000 events and a bump whose scores are those of QCD."""
    made, rng = box(81, 10_000), np.random.default_rng(3)
    mass = np.r_[made.mass, rng.normal(3500, 105, n_signal)]
    return mass, np.vstack([made.levels, made.levels[rng.integers(0, made.mass.size, n_signal)]])


def everything(box):
    made = box(53, 10)
    return made.scan | {"efficiencies": (1.0, *made.efficiencies)}


def test_a_bump_that_looks_like_qcd_is_found_in_the_spectrum_of_all_events(box):
    mass, levels = like_background(box, 700)
    found = hunt(mass, levels, **everything(box), pseudo_experiments=1000, seed=1)
    assert found.best.efficiency == 1
    assert found.best.z_local > 5
    assert found.global_p.p_global <= 1e-3
    assert found.global_p.extrapolated
    assert "(extrapolated)" in str(found)
    assert abs(found.best.resonance.mass / 3500 - 1) < 0.02
    selected = hunt(mass, levels, **box(53, 10).scan, pseudo_experiments=500, seed=1)
    assert selected.best.z_local < found.best.z_local - 2  # as selections alone would have it
    assert selected.global_p.p_global > 1e-3
    assert best_workspace(found)["channels"][0]["name"] == "mass"


def test_a_bump_that_is_not_there_is_not_found(box):
    found = hunt(*like_background(box, 0), **everything(box), pseudo_experiments=500, seed=1)
    assert found.global_p.p_global > 0.05
    assert not found.global_p.extrapolated


def test_an_excess_out_of_nowhere_is_refused_and_a_strong_signal_may_be_its_cause(box):
    made = box(7, 20_000)
    low, high = made.windows[4]
    rng, inside = np.random.default_rng(1), (made.mass >= low) & (made.mass < high)
    made.levels[inside & (rng.random(made.mass.size) < 0.3), 4] = 1
    result = hunt(made.mass, made.levels, **made.scan, pseudo_experiments=500, seed=1)
    row = result.windows[4].selections[0]
    assert row.refused
    assert row.flagged
    assert result.best.window != 4
    (said,) = [flag for flag in result.flags if "cannot hide" in flag]
    assert said.endswith("can be the cause)")


def test_the_unselected_spectrum_is_counted_on_request(box):
    made = box(53, 10_000)
    result = hunt(
        made.mass,
        made.levels,
        edges=made.edges,
        windows=made.windows,
        efficiencies=(1.0, *made.efficiencies),
        pseudo_experiments=500,
    )
    assert result.unselected_counted
    assert [row.efficiency for row in result.windows[0].selections] == list(made.efficiencies)


def test_minuit_agrees_with_the_scan_in_the_best_window(found):
    _, result = found
    window = result.windows[result.best.window]
    rows = (window.unselected, *window.selections)
    for row, one in zip(rows, result.best.spectra, strict=True):
        assert one.observed == row.observed
        assert one.total == pytest.approx(row.expected, abs=1e-2 * row.expected_error)
        assert one.total_error == pytest.approx(row.expected_error, rel=0.03)


def test_a_result_survives_json(found, tmp_path):
    _, result = found
    assert HuntResult.from_json(result.to_json(tmp_path / "hunt.json")) == result


def test_counted_events_give_the_same_result(empty):
    made, result = empty
    patterns = count_patterns(made.mass, made.levels, subdivide(made.edges, 2))
    again = hunt_patterns(
        patterns,
        windows=made.windows,
        efficiencies=made.efficiencies,
        pseudo_experiments=1000,
        seed=1,
    )
    assert again == result


def test_a_function_that_does_not_fit_is_flagged(box):
    made = box(54, 300_000)
    kink = np.where(made.mass > 4000, 0.85, 1.0)  # no smooth function has this step
    keep = np.random.default_rng(0).random(made.mass.size) < kink
    result = hunt(
        made.mass[keep],
        made.levels[keep],
        **made.scan,
        model=FitModel("dijet3"),
        pseudo_experiments=500,
    )
    assert any("unselected spectrum" in sentence for sentence in result.flags)
    assert any(row.flagged for window in result.windows for row in window.selections)


def test_flagged_fits_are_not_the_best(box):
    made = box(55, 100_000)
    kink = np.where(made.mass > 4000, 0.5, 1.0)
    keep = np.random.default_rng(0).random(made.mass.size) < kink
    result = hunt(
        made.mass[keep],
        made.levels[keep],
        **made.scan,
        model=FitModel("dijet3"),
        pseudo_experiments=500,
    )
    flagged = [row for window in result.windows for row in window.selections if row.flagged]
    assert flagged
    assert all(row.p_local is None and row.z_local is None for row in flagged)
    if result.best is not None:
        rows = result.windows[result.best.window].rows
        assert not next(row for row in rows if row.efficiency == result.best.efficiency).flagged


def test_too_few_pseudo_experiments_for_the_goodness_of_fit_are_said(box):
    made = box(56, 10_000)
    result = hunt(made.mass, made.levels, **made.scan, pseudo_experiments=250)
    assert any("cannot resolve" in sentence for sentence in result.flags)


def test_no_events_are_refused(box):
    made = box(57, 1000)
    with pytest.raises(FitError, match="0 events"):
        hunt(made.mass[:0], made.levels[:0], **made.scan)


def test_efficiencies_out_of_order_are_refused(box):
    made = box(58, 1000)
    with pytest.raises(ConfigError, match="decreasing"):
        hunt(
            made.mass,
            made.levels,
            edges=made.edges,
            windows=made.windows,
            efficiencies=(0.01, 0.1, 0.002),
        )


def test_subdivided_bins_keep_the_edges():
    fine = subdivide([1000.0, 2000.0, 3000.0], 3)
    np.testing.assert_allclose(fine[::3], [1000, 2000, 3000])
    np.testing.assert_allclose(fine[1:4] / fine[:3], 2 ** (1 / 3))


def test_the_goodness_of_fit_agrees_with_chi2_with_many_events(empty):
    _, result = empty
    for window in result.windows:
        row = window.unselected
        # the guard helps to fix the parameters too, so that ndf is slightly too small
        assert row.fit_p_value == pytest.approx(chi2.sf(row.chi2, row.ndf), abs=0.1)


@pytest.mark.parametrize("n", [30, 100, 500, 2000])
def test_a_tiny_dataset_gives_a_quiet_result_or_a_clear_error(box, n):
    made = box(60 + n, n)  # at 0.2 % not one event passes in a fold of the smaller ones
    try:
        result = hunt(made.mass, made.levels, **made.scan, pseudo_experiments=500)
    except FitError as error:
        assert "events between" in str(error) or "converge" in str(error)  # noqa: PT017
        return
    assert result.global_p is None or result.global_p.p_global > 0.01
    for window in result.windows:
        for row in (window.unselected, *window.selections):
            assert row.flagged or np.isfinite(row.p_local)
            assert np.isfinite(row.expected)


def test_a_window_has_its_geometric_center(empty):
    _, result = empty
    for window in result.windows:
        assert window.center**2 == pytest.approx(window.low * window.high)


@pytest.mark.parametrize("which", ["empty", "found"])
def test_a_result_prints_as_a_table_of_forty_lines_at_most(which, request):
    _, result = request.getfixturevalue(which)
    lines = str(result).splitlines()
    assert len(lines) <= 40
    assert sum(line.endswith("σ") and "-" in line for line in lines) >= len(result.windows)
    assert f"mass {result.best.resonance.mass:.0f} ± " in str(result)


def test_a_notebook_shows_the_best_window_in_bold(found):
    _, result = found
    bold = [line for line in result._repr_html_().splitlines() if "bold" in line]
    window = result.windows[result.best.window]
    assert len(bold) == 1
    assert f"{window.low:.0f}-{window.high:.0f}" in bold[0]


def test_what_has_no_result_says_so(empty):
    made, _ = empty
    nothing = hunt(
        made.mass, made.levels, **made.scan, pseudo_experiments=250, refused=np.ones((10, 3), bool)
    )
    assert "there is no result" in str(nothing)
    assert str(nothing).count("flagged") >= 50
