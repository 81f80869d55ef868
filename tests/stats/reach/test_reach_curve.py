from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import FitModel
from overdensity.stats.reach.blind_background import BlindBackground, blind_background
from overdensity.stats.reach.reach_curve import ReachCurve, expected_reach
from overdensity.stats.reach.signal_response import SignalResponse, gaussian_response

from ..conftest import EDGES, WINDOWS, dijet_density

MASS = float(np.sqrt(WINDOWS[4].prod()))


@pytest.fixture(scope="module")
def seen() -> BlindBackground:
    smooth = dijet_density(np.sqrt(EDGES[1:] * EDGES[:-1])) * np.diff(EDGES)
    counts = np.round(20_000 * smooth / smooth.sum())
    windows, model = WINDOWS[3:6], FitModel("dijet3")
    return blind_background(EDGES, counts, windows, 1, (1.0, 0.1, 0.01), model=model)


@pytest.fixture(scope="module")
def curve(seen: BlindBackground) -> ReachCurve:
    signal = gaussian_response(EDGES, MASS, 0.03, (0.6, 0.3))
    return expected_reach(seen, signal, toys=300, pseudo_experiments=1000)


def test_more_events_are_more_significant(curve: ReachCurve) -> None:
    assert curve.points[0].strength == 0
    for before, after in pairwise(curve.points):
        assert all(np.array(after.asimov) > before.asimov)
        assert after.local[2][2] > before.local[2][2]
        assert after.whole[2] >= before.whole[2]
    for point in curve.points:
        assert all(list(each) == sorted(each) for each in (*point.local, point.whole))


def test_events_needed_are_where_the_curve_crosses(curve: ReachCurve) -> None:
    k = curve.efficiencies.index(curve.selection)
    at = [point.strength for point in curve.points]
    for needed in curve.needed:
        values = [each.asimov_global if needed.whole else each.asimov[k] for each in curve.points]
        assert needed.asimov is not None
        assert np.interp(needed.asimov, at, values) == pytest.approx(needed.z, abs=0.2)
        assert needed.median == pytest.approx(needed.asimov, rel=0.12)
        known = [each for each in needed.events if each is not None]
        assert known == sorted(known)


def test_global_significance_takes_more_events(curve: ReachCurve) -> None:
    for z in (3.0, 5.0):
        local, whole = (curve.of(z, whole=each).asimov for each in (False, True))
        assert local is not None
        assert whole is not None
        assert whole > local
    assert curve.z_local_needed[0] > 3
    assert curve.z_local_needed[1] > 5


def test_the_selection_is_the_one_that_needs_fewest_events(seen: BlindBackground) -> None:
    useless = gaussian_response(EDGES, MASS, 0.03, (0.1, 0.01))
    found = expected_reach(seen, useless, strengths=[500, 1000], toys=100, pseudo_experiments=250)
    assert found.selection == 1.0
    assert [point.strength for point in found.points] == [0.0, 500.0, 1000.0]


def test_what_lies_beyond_the_largest_strength_is_not_known(seen: BlindBackground) -> None:
    fixed = gaussian_response(EDGES, MASS, 0.03, (0.6, 0.3)).fractions[0]
    trained = SignalResponse(np.array([0.0, 20.0]), np.stack([fixed, fixed]))
    found = expected_reach(seen, trained, toys=100, pseudo_experiments=250)
    assert found.points[-1].strength == 20.0
    assert found.of(5.0, whole=True).median is None
    assert found.of(5.0, whole=True).asimov is None
    assert found == ReachCurve.from_dict(found.to_dict())


def test_a_signal_elsewhere_is_refused(seen: BlindBackground) -> None:
    elsewhere = gaussian_response(EDGES, 5900.0, 1e-4, (0.6, 0.3))
    with pytest.raises(InputError, match="no event of the signal lies in the signal region"):
        expected_reach(seen, elsewhere, toys=100, pseudo_experiments=250)
