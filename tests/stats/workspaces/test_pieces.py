"""Channels go together, share what has one name, and obey pyhf's schema whatever they hold."""

from __future__ import annotations

import json

import numpy as np
import pyhf
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from overdensity.core import InputError
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.workspaces.pieces import (
    Channel,
    Sample,
    combine,
    normalisation,
    poisson_error,
    shape_variation,
    signal,
    spurious_variation,
    statistical_error,
    workspace,
)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def channel(name, observed, peak, background, *modifiers):
    smooth = Sample("background", tuple(background), tuple(modifiers))
    return Channel(name, tuple(observed), (signal(peak), smooth))


def counting(name="a", n=60.0, b=50.0):
    return channel(name, (n,), [10.0], (b,), poisson_error("side", [5.0]))


events = st.floats(0, 200, allow_nan=False)


@given(st.data(), st.integers(1, 5))
def test_any_counts_make_a_valid_model_with_a_finite_likelihood(data, n_bins):
    bins = st.lists(events, min_size=n_bins, max_size=n_bins)
    whole = st.lists(st.integers(0, 50), min_size=n_bins, max_size=n_bins)
    background, peak = np.array(data.draw(bins)), np.array(data.draw(bins)) + 1e-3
    assume(background.max() > 0.1)  # without any, its variations are parameters that change nothing
    kinds = (
        shape_variation("tilt", 1.2 * background, 0.8 * background),
        spurious_variation(background, peak, 3.0),
        statistical_error("mc", 0.1 * background),
        poisson_error("side", 0.2 * background),
        normalisation("size", 0.1),
    )
    chosen = [kind for kind in kinds if data.draw(st.booleans())]
    spec = workspace([channel("a", data.draw(whole), peak, background, *chosen)])
    pyhf.schema.validate(json.loads(json.dumps(spec, allow_nan=False)), "workspace.json")
    opened = pyhf.Workspace(spec)
    model = opened.model()
    assert np.isfinite(model.logpdf(model.config.suggested_init(), opened.data(model)))
    assert np.isfinite(discovery(spec).z)


def test_modifiers_of_one_name_are_one_parameter():
    size = normalisation("luminosity", 0.02)
    spec = workspace([channel(name, (5.0,), [1.0], (5.0,), size) for name in ("a", "b")])
    assert pyhf.Workspace(spec).model().config.par_order == ["mu", "luminosity"]


def test_searches_share_the_strength_and_nothing_else():
    one, two = workspace([counting()]), workspace([counting()])
    names = pyhf.Workspace(combine({"mjj": one, "mjjj": two})).model().config
    assert set(names.par_order) == {"mu", "mjj_side", "mjjj_side"}
    assert set(names.channels) == {"mjj_a", "mjjj_a"}
    assert one == workspace([counting()])  # the given one is left as it was


def test_searches_share_what_they_are_told_to():
    spec = workspace([channel("a", (5.0,), [1.0], (5.0,), normalisation("luminosity", 0.02))])
    both = combine({"x": spec, "y": spec}, correlated=["luminosity"])
    assert pyhf.Workspace(both).model().config.par_order == ["mu", "luminosity"]


def test_two_equal_searches_add_their_significances_in_quadrature():
    spec = workspace([counting(n=600.0, b=500.0)])
    z = discovery(spec).z
    assert discovery(combine({"x": spec, "y": spec})).z == pytest.approx(np.sqrt(2) * z, rel=1e-3)


def test_a_combined_limit_is_better_than_each():
    first, second = workspace([counting()]), workspace([counting(n=45.0, b=48.0)])
    both = asymptotic_limit(combine({"x": first, "y": second})).expected[2]
    assert both < min(asymptotic_limit(each).expected[2] for each in (first, second))


def test_a_spurious_signal_is_a_gaussian_error_in_the_shape_of_the_signal():
    background, peak = np.array([1000.0, 900.0, 800.0]), np.array([10.0, 60.0, 10.0])
    observed = background + peak
    exact = workspace([channel("a", observed, peak, background)])
    loose = workspace(
        [channel("a", observed, peak, background, spurious_variation(background, peak, 40.0))]
    )
    # In the Gaussian limit the errors of the strength add in quadrature: 40 events are 0.5.
    errors = discovery(exact).mu_error, discovery(loose).mu_error
    assert errors[1] == pytest.approx(np.hypot(errors[0], 0.5), rel=0.03)


def test_the_statistics_of_simulation_are_one_factor_a_bin():
    both = statistical_error("mc", [3.0, 4.0])
    samples = (
        signal([1.0, 5.0]),
        Sample("zz", (10.0, 20.0), (both,)),
        Sample("top", (5.0, 5.0), (statistical_error("mc", [4.0, 0.0]),)),
    )
    model = pyhf.Workspace(workspace([Channel("a", (15.0, 25.0), samples)])).model()
    assert model.config.param_set("mc").n_parameters == 2
    np.testing.assert_allclose(model.config.param_set("mc").sigmas, [5 / 15, 4 / 25])


def test_a_bin_without_background_is_raised_and_others_are_not():
    samples = workspace([channel("a", (0.0, 3.0), [1.0, 1.0], (0.0, 3.0))])["channels"][0][
        "samples"
    ]
    assert samples[1]["data"] == [1e-6, 3.0]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: workspace([]), "at least one channel"),
        (lambda: workspace([counting(), counting()]), "two channels"),
        (lambda: workspace([Channel("a", (1.0,))]), "no samples"),
        (lambda: workspace([channel("a", (1.0, 2.0), [1.0], (1.0, 2.0))]), "1 bins"),
        (lambda: signal([np.nan]), "finite"),
        (lambda: signal([[1.0]]), "one number a bin"),
        (lambda: workspace([channel("a", (-1.0,), [1.0], (1.0,))]), "not negative"),
        (lambda: normalisation("size", -0.1), "negative"),
        (lambda: spurious_variation([1.0], [0.0], 2.0), "shape"),
        (lambda: combine({}), "no workspaces"),
    ],
)
def test_bad_pieces_are_refused(action, words):
    with pytest.raises(InputError, match=words):
        action()


def test_another_parameter_of_interest_is_not_combined():
    spec = workspace([counting()])
    spec["measurements"][0]["config"]["poi"] = "kappa"
    with pytest.raises(InputError, match="kappa"):
        combine({"x": spec})
