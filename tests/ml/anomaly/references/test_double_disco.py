"""Double DisCo: two scores, independent on background, of which a cut on both is the score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample, make_method
from overdensity.ml.anomaly.references.double_disco import DoubleDisco
from overdensity.ml.losses.distance_correlation import squared_distance_correlation


@pytest.fixture(scope="module")
def events():
    """Two features that each tell the signal, and that background has correlated."""
    rng = np.random.default_rng(0)
    label = (np.arange(3000) % 2).astype(np.int8)
    common = rng.normal(size=3000) * (label == 0)
    x = rng.normal(size=(3000, 3)) + 0.8 * common[:, None] + 1.5 * label[:, None]
    mass = rng.uniform(3210, 3790, 3000)
    return Sample.from_arrays(mass, x, ["a", "b", "c"], label=label)


def fitted(events, window, strength):
    hyper = DoubleDisco.fast | {"decorrelation": strength}
    return make_method("double_disco", **hyper).fit(events, window, seed=1)


def dependence(events, method):
    background = events.take(events.label == 0)
    first, second = torch.as_tensor(method.both(background)).T
    return float(squared_distance_correlation(first, second))


@pytest.fixture(scope="module")
def independent(events, window):
    return fitted(events, window, 5.0)


def test_scores_of_background_are_made_independent(events, independent, window):
    assert dependence(events, independent) < 0.25 * dependence(events, fitted(events, window, 0.0))


def test_signal_still_passes_both(events, independent):
    cut = 0.5 * np.log(10)
    passed = (independent.both(events) >= cut).all(axis=1)
    signal, background = (passed[events.label == k].mean() for k in (1, 0))
    assert background == pytest.approx(0.1, abs=0.05)
    assert signal > 3 * background


def test_score_is_that_of_a_cut_on_both(events, independent):
    np.testing.assert_array_equal(independent.score(events), independent.both(events).min(axis=1))


def test_scores_are_the_efficiencies_of_the_training_background(events, independent):
    background = events.take(events.label == 0)
    kept = np.sort(np.exp(-independent.both(background)[:, 0]))
    np.testing.assert_allclose(kept, np.arange(2, 1502) / 1501, atol=1e-3)


def test_too_little_signal_is_refused(events, window):
    few = events.take((events.label == 0) | (np.arange(3000) < 40))
    with pytest.raises(InputError, match=r"20 events in the signal region of window .* are signal"):
        fitted(few, window, 1.0)


def test_simulated_signals_take_the_place_of_the_truth(events, window, tmp_path):
    signal, background = (events.take(events.label == kind) for kind in (1, 0))
    path = tmp_path / "signal.parquet"
    columns = dict(zip(events.names, signal.features.T, strict=True))
    pq.write_table(pa.table({"mjj": signal.mass, **columns}), path)
    data = background.without_label()
    method = make_method("double_disco", **DoubleDisco.fast | {"signals": [str(path)]})
    assert (method.needs, method.trained_on, method.windowed) == (
        *(("features", "simulation"), "simulation", False),
    )
    method.fit(data.take(np.arange(10)), window, simulation=background, seed=1)
    assert method.score(signal).mean() > 2 * method.score(background).mean()
    with pytest.raises(InputError, match=r"a simulated signal: .*nowhere"):
        make_method("double_disco", signals=[str(tmp_path / "nowhere.parquet")]).fit(
            data, window, simulation=background, seed=1
        )


def test_events_without_truth_are_refused(events, window):
    with pytest.raises(ConfigError, match="no column 'label'"):
        fitted(replace(events, label=None), window, 1.0)


def test_default_is_the_published_one():
    hyper = DoubleDisco.Hyper()
    assert (hyper.nodes, hyper.training.batch, hyper.training.epochs) == ((64,) * 3, 10_000, 200)


@pytest.mark.parametrize(("name", "value"), [("nodes", []), ("decorrelation", -1.0)])
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("double_disco", **{name: value})
