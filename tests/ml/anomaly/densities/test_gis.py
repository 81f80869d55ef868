"""GIS: the density ratio, what it refuses, and how it behaves on events made with Delphes."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Folding, Sample, Window, cross_fit, fold_of, make_method
from overdensity.stats import conformal_p

QUICK = {
    "flow": {"bin_events": 400, "layers": 12, "step": 0.1, "axis_events": 1000, "axis_steps": 5}
}
WINDOW = Window(3500.0, 3400.0, 3600.0, 3000.0, 4000.0)


def smooth(n, n_signal, seed):
    """Return events whose one feature shifts with the mass, and some more at one mass and place."""
    rng = np.random.default_rng(seed)
    mass = np.r_[rng.uniform(2500.0, 4500.0, n), rng.normal(3500.0, 60.0, n_signal)]
    x = np.r_[rng.normal(mass[:n] / 1000.0, 1.0), rng.normal(5.5, 0.1, n_signal)]
    other = rng.normal(size=n + n_signal)
    return Sample.from_arrays(mass, np.stack([x, other], axis=1), ("x", "y"))


def test_ratio_is_one_where_the_density_changes_smoothly_with_the_mass():
    found = make_method("gis", **QUICK).fit(smooth(20_000, 0, 1), WINDOW, seed=1)
    other = smooth(2000, 0, 2)
    near = other.take(WINDOW.signal(other.mass) & (np.abs(other.features[:, 0] - 3.5) < 2))
    assert abs(np.median(found.score(near))) < 0.1
    assert np.std(found.score(near)) < 0.25


def test_ratio_tells_the_size_of_a_local_excess():
    signal = 600
    found = make_method("gis", **QUICK).fit(smooth(20_000, signal, 3), WINDOW, seed=1)
    place = Sample.from_arrays([3500.0] * 9, np.c_[np.full(9, 5.5), np.linspace(-1, 1, 9)], "xy")
    # at its place the signal is far denser than the background; the kernels dilute it, and yet
    assert np.median(found.score(place)) > 0.5
    elsewhere = Sample.from_arrays(
        [3500.0] * 9, np.c_[np.full(9, 3.5), np.linspace(-1, 1, 9)], "xy"
    )
    assert abs(np.median(found.score(elsewhere))) < 0.15


def test_score_knows_the_mass_of_the_event_only_if_asked():
    data = smooth(5000, 300, 6)
    same = Sample.from_arrays([2600.0, 3500.0, 4400.0], np.tile([[5.5, 0.0]], (3, 1)), ("x", "y"))
    blind = make_method("gis", **QUICK).fit(data, WINDOW, seed=1).score(same)
    assert blind.max() == blind.min()
    own = make_method("gis", own_mass=True, **QUICK).fit(data, WINDOW, seed=1).score(same)
    assert own[1] > max(own[0], own[2]) + 0.2


def test_members_are_averaged_and_stored():
    data = smooth(5000, 0, 4)
    method = make_method("gis", members=2, **QUICK).fit(data, WINDOW, seed=1)
    stored = method.arrays()
    assert {key.split(".")[1] for key in stored if key.startswith("flow.")} == {"0", "1"}
    again = make_method("gis", members=2, **QUICK)
    again.restore(stored)
    np.testing.assert_array_equal(again.score(data), method.score(data))


def test_features_that_determine_one_another_are_refused():
    data = smooth(5000, 0, 5)
    features = np.c_[data.features, data.features[:, 0] - 2 * data.features[:, 1]]
    double = Sample.from_arrays(data.mass, features, ("x", "y", "z"))
    with pytest.raises(InputError, match="'x', 'y', 'z' determine one another"):
        make_method("gis", **QUICK).fit(double, WINDOW, seed=1)


def test_more_members_than_validation_folds_are_refused():
    with pytest.raises(ConfigError, match="members = 11"):
        make_method("gis", members=11)


@pytest.mark.slow
def test_without_signal_the_window_has_no_excess(shared_data):
    columns = ["mjj", "j1_mass", "j2_mass", "j1_tau21", "j2_tau21"]
    table = pq.read_table(shared_data / "reference" / "rnd_background.parquet", columns=columns)
    rows = np.stack([column.to_numpy() for column in table.columns], axis=1)
    window = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
    method = make_method("gis", flow={"step": 0.1, "axis_events": 3000, "axis_steps": 5})
    z = []
    for seed in range(5):
        chosen = rows[np.random.default_rng(seed).choice(len(rows), 40_000, replace=False)]
        sample = Sample.from_arrays(chosen[:, 0], chosen[:, 1:], columns[1:])
        scores = cross_fit(method, sample, window, Folding(seed=seed))
        fold = fold_of(sample.event, 7, seed=seed)
        p = conformal_p(scores, sample.mass, fold, window=(window.low, window.high))
        inside = window.signal(sample.mass)
        n, expected = np.count_nonzero(p[inside] < 0.01), 0.01 * inside.sum()
        z.append((n - expected) / np.sqrt(1.5 * expected))  # the calibration fluctuates as well
    assert max(z) < 4
    assert abs(np.mean(z)) < 2
