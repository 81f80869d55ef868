"""The events of a benchmark: what a method learns from, and what it is tested with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample
from overdensity.workflow.benchmark.events import (
    check_benchmark,
    concatenated,
    is_cross_fitted,
    load_source,
    needs_of,
    source_states,
    sources_of,
    strengths_of,
    training_events,
)
from overdensity.workflow.config.benchmark import BenchmarkConfig

Make = Callable[..., BenchmarkConfig]


def write(path: Path, label: int, n: int, *, weight: Any = 1.0) -> str:
    """Write events whose masses lie one after the other between 3 and 4 TeV."""
    mass = np.linspace(3000, 4000, n, endpoint=False)
    feature = np.random.default_rng(label).random(n).astype(np.float32)
    table = {"mjj": mass, "j1_tau21": feature, "label": np.full(n, label, np.int8)}
    pq.write_table(pa.table({**table, "weight": np.full(n, weight)}), path)
    return str(path)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    background = write(tmp_path / "background.parquet", 0, 1000)
    signal = write(tmp_path / "signal.parquet", 1, 300)
    values: dict[str, Any] = {
        "background": {"files": background, "rows": [0, 500]},
        "extra_background": {"files": background, "rows": [500, 1000]},
        "injected": {"files": signal, "rows": [0, 100]},
        "training_signal": {"files": signal, "rows": [100, 200]},
        "test_signal": {"files": signal, "rows": [200, 300]},
        "features": ["j1_tau21"],
        "window": {"low": 3400, "high": 3600, "sideband_low": 3000, "sideband_high": 4000},
        "methods": {"plain": {"name": "cwola"}, "told": {"name": "supervised"}},
        "strengths": [40, 90],
    }

    def config(**changes: Any) -> BenchmarkConfig:
        given = {**values, **changes}
        return BenchmarkConfig.model_validate({k: v for k, v in given.items() if v is not None})

    return config


def test_a_source_is_its_rows_with_the_label_of_its_kind(make: Make) -> None:
    sample = load_source(make(), "training_signal", ("j1_tau21",))
    assert len(sample) == 100
    assert sample.mass[0] == pytest.approx(3000 + 1000 / 3)
    assert sample.label is not None
    assert set(sample.label.tolist()) == {1}


def test_the_extra_background_is_the_test_background_unless_there_is_one(
    make: Make, tmp_path: Path
) -> None:
    same = load_source(make(), "test_background", ("j1_tau21",))
    extra = load_source(make(), "extra_background", ("j1_tau21",))
    assert np.array_equal(same.event, extra.event)
    other = write(tmp_path / "other.parquet", 0, 50)
    assert len(load_source(make(test_background=other), "test_background", ("j1_tau21",))) == 50


def test_sources_are_those_that_a_method_uses(make: Make) -> None:
    config = make()
    assert sources_of(config, "plain") == [
        "extra_background",
        "test_signal",
        "background",
        "injected",
    ]
    assert sources_of(config, "told") == ["extra_background", "test_signal", "training_signal"]


def test_a_combination_needs_what_its_methods_do(make: Make) -> None:
    methods = {
        "told": {"name": "combination", "of": ["supervised", "pca"]},
        "simulated": {"name": "combination", "of": ["idealised", "pca"], "simulation": "extra"},
    }
    config = make(methods=methods)
    assert sources_of(config, "told") == ["extra_background", "test_signal", "training_signal"]
    assert set(needs_of(config.methods["simulated"])) == {"features", "simulation"}
    assert is_cross_fitted(config, "simulated")
    without = {"simulated": methods["simulated"] | {"simulation": None}}
    with pytest.raises(ConfigError, match="'combination' needs simulation; say simulation: extra"):
        check_benchmark(make(methods=without))


def test_only_who_learns_from_the_test_background_is_cross_fitted(
    make: Make, tmp_path: Path
) -> None:
    assert not is_cross_fitted(make(), "plain")
    assert is_cross_fitted(make(), "told")
    other = write(tmp_path / "other.parquet", 0, 50)
    assert not is_cross_fitted(make(test_background=other), "told")


def test_labels_replace_the_data_for_a_method_that_needs_them(make: Make) -> None:
    data, simulation = training_events(make(), "told", n_signal=None, seed=1)
    assert simulation is None
    assert np.bincount(data.label).tolist() == [500, 100]


def test_strengths_are_numbers_of_events(make: Make) -> None:
    assert strengths_of(make(strengths=[90, 40])) == (40, 90)
    ratios = {"strengths": None, "signal_to_background": [0.1]}
    with pytest.raises(InputError, match="none of 100 signal events lies in"):
        strengths_of(make(**ratios))
    # In the region lie 100 background events and 60 of these 100 signal events.
    inside = make(**ratios, injected=make().training_signal)
    assert strengths_of(inside) == (round(0.1 * 100 / 0.6),)


def test_weighted_events_are_refused(make: Make, tmp_path: Path) -> None:
    weighted = write(tmp_path / "weighted.parquet", 0, 50, weight=np.arange(1.0, 51.0))
    with pytest.raises(InputError, match=r"weighted\.parquet: events have different weights"):
        load_source(make(background=weighted), "background", ("j1_tau21",))


def test_state_of_a_source_knows_its_rows_and_files(make: Make) -> None:
    config = make()
    (state,) = source_states(config, ["background"])
    (again,) = source_states(make(), ["background"])
    assert state == again
    other = make(background={**config.background.model_dump(), "rows": [0, 499]})
    assert source_states(other, ["background"]) != [state]


def test_samples_are_put_one_behind_the_other(make: Make) -> None:
    one = load_source(make(), "background", ("j1_tau21",))
    other = load_source(make(), "injected", ("j1_tau21",))
    both = concatenated(one, other)
    assert np.array_equal(both.event, np.concatenate([one.event, other.event]))
    assert np.array_equal(both.label, np.repeat([0, 1], [500, 100]))


def test_larger_strengths_contain_the_smaller_ones(make: Make) -> None:
    made = make()
    few, many = (
        training_events(made, "plain", n_signal=n, seed=7)[0].event.tolist() for n in (40, 90)
    )
    assert set(few) < set(many)
    other = training_events(made, "plain", n_signal=40, seed=8)[0].event.tolist()
    assert set(other) != set(few)


def test_first_events_are_drawn_if_asked_for(make: Make) -> None:
    made = make(draw="first")
    data, _ = training_events(made, "plain", n_signal=40, seed=7)
    signal = Sample.from_parquet(made.injected.files, features=["j1_tau21"])
    assert data.event[500:].tolist() == signal.event[:40].tolist()


def test_shift_adds_a_multiple_of_the_mass_everywhere(make: Make) -> None:
    plain, shifted = make(), make(shift={"j1_tau21": 0.001})
    for name in ("plain",):
        one, _ = training_events(plain, name, n_signal=10, seed=1)
        other, _ = training_events(shifted, name, n_signal=10, seed=1)
        np.testing.assert_allclose(
            other.features[:, 0] - one.features[:, 0], 0.001 * one.mass, rtol=1e-4
        )
