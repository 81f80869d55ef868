"""Each example with published sizes builds its networks, trains and scores; fewer particles and epochs change no weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from overdensity.ml import Sample, Window, make_method
from overdensity.processors import LhcoSource, process
from overdensity.workflow import load_config
from overdensity.workflow.config.reading import load_benchmark
from overdensity.workflow.stages.inputs.event_files import event_processor

from ..conftest import made_once

EXAMPLES = Path(__file__).parents[2] / "examples" / "published"
COLUMNS = "_columns"  # ends the name of what makes the columns of a benchmark
WINDOW = Window(3500.0, 3200.0, 3800.0, 2700.0, 4600.0)
LEAST = {"epochs": 1, "batch": 32, "particles": 12, "jets": 30}
LARGE: dict[str, int] = dict.fromkeys(
    ("deep_ensemble", "lorentznet", "part", "particlenet"), 300
)  # events


def with_least(values: Any) -> Any:
    """Return hyperparameters with the least of what decides the time and not the weights."""
    if not isinstance(values, dict):
        return values
    return {key: LEAST.get(key, with_least(value)) for key, value in values.items()}


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(
    "name", sorted(path.stem for path in EXAMPLES.glob("*.yaml") if COLUMNS not in path.stem)
)
def test_published_sizes_are_trained_and_score(
    few_events: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    path = EXAMPLES / f"{name}.yaml"
    if "methods" in yaml.safe_load(path.read_text("utf-8")):
        benchmark = load_benchmark(path)
        (method,), features = benchmark.methods.values(), benchmark.features
        config = load_config(EXAMPLES / f"{name}{COLUMNS}.yaml")
    else:
        config = load_config(path)
        method, features = config.method, config.features

    def make(folder: Path) -> None:
        process(
            str(few_events / "box.h5"),
            str(folder),
            source=LhcoSource(),
            processor=event_processor(config),
        )

    made = made_once(tmp_path_factory, f"published-{name}", make)
    sample = Sample.from_parquet(made / "columns", features=tuple(features))
    rows = np.flatnonzero(
        (sample.mass >= WINDOW.sideband_low) & (sample.mass < WINDOW.sideband_high)
    )
    assert sample.label is not None
    rows = rows[np.argsort(sample.label[rows] == 0, kind="stable")]  # signal first
    sample = sample.take(np.sort(rows[: LARGE.get(name, len(rows))]))
    model = make_method(method.name, **with_least(method.hyperparameters), min_events=2)
    scores = model.fit(model.shown(sample), WINDOW, seed=1).score(model.shown(sample))
    assert scores.shape == (len(sample),)
    assert np.isfinite(scores).all()
    assert np.ptp(scores) > 0
