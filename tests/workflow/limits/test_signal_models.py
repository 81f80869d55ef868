from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample
from overdensity.workflow import load_config
from overdensity.workflow.config.limits import LimitsConfig, SignalConfig
from overdensity.workflow.limits.signal_models import (
    SignalModel,
    accepted_flags,
    read_signal_models,
)
from overdensity.workflow.stages.run import Run

from ...conftest import make_box


@pytest.fixture
def run(search_file: Path) -> Run:
    return Run(load_config(search_file))


def test_a_signal_is_looked_for_where_most_of_it_lies(run: Run, tmp_path: Path) -> None:
    path = make_box(tmp_path / "signal.parquet", background=0, signal=500, seed=7)
    (model,) = read_signal_models(run, LimitsConfig(signals={"A": {"files": str(path)}}))
    window = run.windows[model.window]
    assert window.low < 3800 < window.high
    assert model.share == max(each.signal(model.sample.mass).mean() for each in run.windows)
    assert (model.name, model.total, len(model.sample)) == ("A", 500.0, 500)


def test_a_signal_outside_the_scan_is_refused(run: Run, search_file: Path, tmp_path: Path) -> None:
    path = make_box(tmp_path / "signal.parquet", background=0, signal=50, seed=7)
    far = Run(load_config(search_file, ["scan.low=5000", "scan.high=8000"]))
    with pytest.raises(InputError, match=r"limits.signals.A: none of 50 events lies in a signal"):
        read_signal_models(far, LimitsConfig(signals={"A": {"files": str(path)}}))


def test_a_signal_of_a_few_events_is_refused(run: Run, tmp_path: Path) -> None:
    path = make_box(tmp_path / "signal.parquet", background=0, signal=15, seed=7)
    with pytest.raises(
        InputError, match=r"A: 1\d of 15 events lie in the signal region .* 20 there"
    ):
        read_signal_models(run, LimitsConfig(signals={"A": {"files": str(path)}}))


@pytest.mark.parametrize(
    ("generated", "luminosity", "expected"),
    [(None, 10.0, 0.1), (4000.0, 10.0, 2.0), (4000.0, None, None)],
)
def test_an_event_stands_for_the_events_that_were_generated(
    generated: float | None, luminosity: float | None, expected: float | None
) -> None:
    sample = Sample.from_arrays([3000.0], [[0.0]], ["tau21"])
    config = SignalConfig(files=("a",), generated=generated)
    model = SignalModel("A", config, ("a",), sample, 200.0, 0, 1.0)
    assert model.per_event(luminosity) == expected


def test_no_fewer_events_were_generated_than_there_are(run: Run, tmp_path: Path) -> None:
    """With 5 for a file of 2000, the limit was 400 times too strong."""
    path = make_box(tmp_path / "signal.parquet", background=0, signal=500, seed=7)
    with pytest.raises(ConfigError, match=r"A.generated is 5, but the files hold 500 events"):
        read_signal_models(run, LimitsConfig(signals={"A": {"files": str(path), "generated": 5}}))


@pytest.mark.parametrize(("generated", "flagged"), [(500, 0), (5e5, 0), (1e6, 1), (None, 0)])
def test_files_with_hardly_any_of_what_was_generated_are_flagged(
    run: Run, tmp_path: Path, generated: float | None, flagged: int
) -> None:
    path = make_box(tmp_path / "signal.parquet", background=0, signal=500, seed=7)
    limits = LimitsConfig(signals={"A": {"files": str(path), "generated": generated}})
    signals = read_signal_models(run, limits)
    assert len(accepted_flags(signals)) == flagged
    more = accepted_flags(signals, 10.0)[flagged:]  # cross sections, of what the files hold
    assert ["without 'generated'" in each for each in more] == ([True] if generated is None else [])


def test_what_a_region_leaves_out_was_generated_too(search_file: Path, tmp_path: Path) -> None:
    """The cross section of an event in the region grows by what the region leaves out."""
    path = make_box(tmp_path / "signal.parquet", background=0, signal=500, seed=7)
    middle = float(np.median(pq.read_table(path)["j1_mass"].to_numpy()))
    cuts = f"region={{cuts: {{j1_mass: {{above: {middle}}}}}}}"
    run = Run(load_config(search_file, [cuts, "features=[j1_tau21]", "method={name: pca}"]))
    (model,) = read_signal_models(run, LimitsConfig(signals={"A": {"files": str(path)}}))
    assert model.total < model.whole == 500
    assert model.per_event(10.0) == pytest.approx(500 / model.total / 10)


def test_the_data_are_no_signal(run: Run, box: Path, tmp_path: Path) -> None:
    copy = pq.read_table(box).slice(1000, 3000)
    pq.write_table(copy, tmp_path / "signal.parquet")
    limits = LimitsConfig(signals={"A": {"files": str(tmp_path / "signal.parquet")}})
    with pytest.raises(InputError, match=r"events and limits\.signals\.A: \d+ events are the same"):
        read_signal_models(run, limits)


def test_a_signal_that_the_method_has_learnt_is_refused(search_file: Path, tmp_path: Path) -> None:
    path = make_box(tmp_path / "signal.parquet", background=0, signal=500, seed=7)
    run = Run(load_config(search_file, ["method={name: quak, priors: [" + str(path) + "]}"]))
    with pytest.raises(ConfigError, match=r"limits.signals.A: .* is learnt by method 'quak'"):
        read_signal_models(run, LimitsConfig(signals={"A": {"files": str(path)}}))
