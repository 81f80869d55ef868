"""Searches without one window for a mass: `fit.background: bump_hunt` and `abcd`, from the configuration to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError
from overdensity.ml.anomaly.outliers.gan_ae import GanAe
from overdensity.workflow import parse_config, run_search
from overdensity.workflow.challenge.answering import answer_run
from overdensity.workflow.models.result_models import MODELS
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.search_result import SearchResults

NAMES = ("x", "y", "z")


def write(path: Path, mass: np.ndarray, x: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"mjj": mass, **dict(zip(NAMES, x, strict=True))}), path)


def background(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A falling spectrum, whose features grow with the mass."""
    mass = 2500 * (1 - 0.983 * rng.random(n)) ** -0.2
    return mass, rng.normal(size=(3, n)) * np.sqrt(mass / 3500)


def signal(rng: np.random.Generator, n: int, width: float) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(3700, width, n), np.array([[2.5], [2.5], [0.0]]) + rng.normal(size=(3, n))


def settings(
    folder: Path, kind: str, n_signal: int, seed: int = 1, n: int = 9000
) -> dict[str, Any]:
    """A box, and simulation of its background and its signal."""
    rng = np.random.default_rng(seed)
    one, other = background(rng, n), signal(rng, n_signal, 80)
    write(folder / "box.parquet", np.r_[one[0], other[0]], np.c_[one[1], other[1]])
    write(folder / "qcd.parquet", *background(rng, 2000))
    write(folder / "signal.parquet", *signal(rng, 500, 80))
    values: dict[str, Any] = {
        "events": {"files": str(folder / "box.parquet")},
        "features": list(NAMES),
        "scan": {"low": 2500, "high": 5500, "bins": 12, "signal_bins": 2, "sideband_bins": 2},
        "selections": [0.1, 0.02],
        "folds": 3,
        "repeats": 1,
        "calibration": "none",
        "fit": {
            "background": kind,
            "bins_per_bin": 1,
            "function": "dijet3",
            "efficiency": {"order": 2},
            "gof_threshold": 0.01,
        },
        "method": {"name": "mahalanobis"},
        "pseudo_experiments": 500,
        "cluster": "threads",
        "out": str(folder / "run"),
    }
    if kind == "bump_hunt":
        values["fit"]["widths"] = [1, 3]
    if kind == "abcd":
        values["simulation"] = [str(folder / "qcd.parquet")]
        values["method"] = {
            "name": "double_disco",
            "signals": [str(folder / "signal.parquet")],
            "nodes": [16],
            "decorrelation": 5.0,
            "decorrelation_above": 0.0,
            "training": {"epochs": 10, "batch": 250, "learning_rate": 0.02},
            "device": "cpu",
        }
    return values


@pytest.fixture(scope="module", params=["bump_hunt", "abcd"])
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, SearchResults, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, run_search(parse_config(settings(folder, request.param, 100))), folder


def test_a_signal_is_found_and_reported(found: tuple[str, SearchResults, Path]) -> None:
    kind, results, folder = found
    assert results.best is not None
    assert results.best.z_global > 3
    assert abs(results.best.mass - 3700) < 80
    told = {"bump_hunt": "nothing", "abcd": "by which the estimate was multiplied"}[kind]
    assert all(told in flag for flag in results.flags)
    page = (folder / "run" / "report.html").read_text()
    assert "Excess at 3.7" in page
    assert ("events that pass one of both scores" in page) == (kind == "abcd")
    sheet, _ = answer_run(folder / "run", level=0.0)
    said = {"bump_hunt": "fits of dijet3", "abcd": "two independent scores"}
    assert said[kind] in sheet.abstract
    modelled = [(folder / "run" / name).exists() for name in MODELS]
    assert all(modelled) if kind == "bump_hunt" else not any(modelled)
    assert results.function == {"bump_hunt": "dijet3", "abcd": "abcd"}[kind]


def test_a_bump_hunt_has_intervals_of_many_widths(tmp_path: Path) -> None:
    run = Run(parse_config(settings(tmp_path, "bump_hunt", 0)))
    bins = [round(np.log(w.high / w.low) / np.log(5500 / 2500) * 12) for w in run.windows]
    assert [bins.count(width) for width in (1, 2, 3)] == [8, 7, 6]
    assert not run.fit_model.measures_bend


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("kind", ["bump_hunt", "abcd"])
def test_nothing_is_found_without_a_signal(kind: str, tmp_path: Path) -> None:
    p_global = []
    for seed in range(6):
        best = run_search(parse_config(settings(tmp_path / str(seed), kind, 0, 10 + seed))).best
        p_global.append(1.0 if best is None else best.p_global)
    assert np.count_nonzero(np.array(p_global) < 0.05) <= 1


@pytest.mark.slow(seconds=8)
def test_gan_ae_goes_through_the_bump_hunt(tmp_path: Path) -> None:
    """Found with 120 events of signal, and quiet in three boxes of background."""
    p_global = []
    for seed, n_signal in enumerate((120, 0, 0, 0)):
        values = settings(tmp_path / str(seed), "bump_hunt", n_signal, 20 + seed)
        values["method"] = {"name": "gan_ae", **GanAe.fast}
        best = run_search(parse_config(values)).best
        assert best is not None
        p_global.append(best.p_global)
    assert p_global[0] < 1e-4
    assert np.count_nonzero(np.array(p_global[1:]) < 0.05) <= 1


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("bump_hunt", {"limits": {}}, r"bump_hunt looks in intervals.*limits would need"),
        ("abcd", {"limits": {}}, r"abcd fits no function.*limits would need"),
        ("abcd", {"calibration": "conformal"}, r"abcd cuts on both scores as they are"),
        ("abcd", {"repeats": 3}, r"without repeats; set calibration: none and repeats: 1"),
        ("bump_hunt", {"fit": {"background": "bump_hunt", "widths": [3, 2]}}, "smaller number"),
        ("bump_hunt", {"fit": {"background": "bump_hunt"}}, r"scan.bins: 10; raise that"),
    ],
)
def test_what_cannot_be_is_refused(
    kind: str, more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    values = settings(tmp_path, kind, 0, n=100) | more
    if "scan.bins" in message:
        values["scan"] |= {"bins": 10}
    with pytest.raises(ConfigError, match=message):
        parse_config(values)


@pytest.mark.parametrize(
    ("kind", "method", "message"),
    [
        ("bump_hunt", "cwola", r"'cwola' learns another one in each"),
        ("abcd", "mahalanobis", r"'mahalanobis' has one; give"),
        ("abcd", "cwola", r"'cwola' has one; give method: {name: double_disco"),
        ("abcd", "double_disco", r"'double_disco' learns from the truth"),
    ],
)
def test_methods_without_such_scores_are_refused(
    kind: str, method: str, message: str, tmp_path: Path
) -> None:
    values = settings(tmp_path, kind, 0, n=100) | {"method": method}
    with pytest.raises(ConfigError, match=message):
        _ = Run(parse_config(values)).method
