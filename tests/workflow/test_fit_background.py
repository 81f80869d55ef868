"""A search that fits no function: `fit.background`, from the configuration to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError
from overdensity.workflow import parse_config, run_search
from overdensity.workflow.challenge.answering import answer_run
from overdensity.workflow.combine.combined_run import combine_searches
from overdensity.workflow.models.result_models import MODELS
from overdensity.workflow.search_run import calibrate_search, expect_reach, run_limits
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.search_result import SearchResults


def settings(folder: Path, background: str, signal: int = 80, seed: int = 1) -> dict[str, Any]:
    """Events that turn on up to 3.2 TeV, with outliers whose features grow with the mass."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    mass = 2500 * (1 - 0.983 * rng.random(12_000)) ** -0.2
    mass = mass[rng.random(len(mass)) < np.clip((mass - 2100) / 1100, 0.2, 1)]
    features = rng.normal(size=(3, len(mass))) * np.sqrt(mass / 3500)
    mass = np.r_[mass, rng.normal(3700, 80, signal)]
    outliers = np.array([[3.0], [-3.0], [0.0]]) + rng.normal(size=(3, signal))
    features = np.c_[features, outliers]
    columns = dict(zip("xyz", features, strict=True))
    if not (folder / "box.parquet").exists():
        pq.write_table(pa.table({"mjj": mass, **columns}), folder / "box.parquet")
    return {
        "events": {"files": str(folder / "box.parquet")},
        "features": ["x", "y", "z"],
        "scan": {"low": 2500, "high": 5500, "bins": 14, "signal_bins": 2, "sideband_bins": 2},
        "selections": [1, 0.1, 0.02],
        "folds": 3,
        "repeats": 1,
        "calibration": "none",
        "fit": {"background": background, "efficiency": {"order": 2}, "gof_threshold": 0.01},
        "method": {"name": "mahalanobis"},
        "pseudo_experiments": 250,
        "cluster": "threads",
        "out": str(folder / "run"),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResults, Path]:
    folder = tmp_path_factory.mktemp("transfer")
    return run_search(parse_config(settings(folder, "transfer"))), folder / "run"


def test_a_search_without_a_function_finds_a_signal(found: tuple[SearchResults, Path]) -> None:
    results, folder = found
    assert results.best is not None
    assert results.best.z_local > 4
    assert abs(results.best.mass - 3700) < 60
    assert results.best.efficiency < 1  # the spectrum of all events is not tested
    assert (results.function, results.function_choice, results.before_selection) == (
        *("transfer", None, None),  # neither functions nor yields of them
    )
    assert SearchResults.from_json(folder / "results.json").best == results.best
    again = run_search(parse_config(settings(folder.parent, "transfer")))
    assert again == results  # read, not made again


def test_its_report_says_so_and_it_has_no_models(found: tuple[SearchResults, Path]) -> None:
    _, folder = found
    page = (folder / "report.html").read_text()
    assert "not tested" in page
    assert "How many parameters the background needs" not in page
    assert not any((folder / name).exists() for name in MODELS)
    sheet, _ = answer_run(folder, level=0.0)
    assert (
        "estimated by counted events that fail the selection and its efficiency" in sheet.abstract
    )


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize("background", ["shaping", "transfer"])
def test_it_stays_quiet_without_a_signal(background: str, tmp_path: Path) -> None:
    claimed = 0
    for seed in range(4):
        results = run_search(parse_config(settings(tmp_path / str(seed), background, 0, 10 + seed)))
        assert results.best is not None
        claimed += results.best.p_global < 0.05
    assert claimed <= 1


@pytest.mark.slow(seconds=20)
def test_boxes_of_the_reference_sample_stay_quiet(shared_data: Path, tmp_path: Path) -> None:
    """Twelve boxes of background, whose outliers follow the mass, as `benchmarks/quiet.py` makes them."""
    background = pq.read_table(shared_data / "reference" / "rnd_background.parquet")
    p_global = []
    for seed in range(1, 13):
        rows = np.random.default_rng([7, seed]).choice(len(background), 25_000, replace=False)
        pq.write_table(background.take(rows), tmp_path / "box.parquet")
        values = {
            "events": {"format": "columns", "files": str(tmp_path / "box.parquet")},
            "scan": {"low": 2632, "high": 2632 * (6000 / 2632) ** (9 / 16), "bins": 9},
            "folds": 3,
            "repeats": 1,
            "calibration": "none",
            "fit": {"background": "transfer"},
            "method": {"name": "mahalanobis"},
            "pseudo_experiments": 1000,
            "seed": seed,
            "cluster": "threads",
            "out": str(tmp_path / f"run{seed}"),
        }
        best = run_search(parse_config(values)).best
        p_global.append(1.0 if best is None else best.p_global)
    assert np.count_nonzero(np.array(p_global) < 0.05) <= 3  # four of twelve: 0.2 % by chance


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"limits": {}}, "limits"),
        ({"fit": {"background": "transfer", "start": "auto"}}, r"fit\.start: auto"),
        ({"fit": {"background": "transfer", "spurious": "data"}}, r"fit\.spurious"),
        ({"uncertainties": {"luminosity": 0.02}}, "uncertainties"),
    ],
)
def test_what_needs_a_function_is_refused(more: dict[str, Any], what: str, tmp_path: Path) -> None:
    values = settings(tmp_path, "transfer") | more
    with pytest.raises(ConfigError, match=rf"fit\.background: transfer fits no function.*{what}"):
        parse_config(values)


def test_terms_of_a_counted_background_are_free_unless_a_width_is_given(tmp_path: Path) -> None:
    values = settings(tmp_path, "transfer")
    free = Run(parse_config(values)).fit_model
    assert not free.measures_bend
    assert free.odds_precision()[1:].tolist() == [1.0, 1.0]  # of order 2
    values["fit"] |= {"efficiency": {"prior": 0.1}}
    assert Run(parse_config(values)).fit_model.efficiency_prior == 0.1
    function = settings(tmp_path, "function")
    assert Run(parse_config(function)).fit_model.measures_bend


def test_commands_that_need_a_function_refuse_too(
    found: tuple[SearchResults, Path], tmp_path: Path
) -> None:
    config = parse_config(settings(found[1].parent, "transfer"))
    for command in (calibrate_search, expect_reach, run_limits):
        with pytest.raises(ConfigError, match=r"fit\.background: transfer fits no function"):
            command(config)
    with pytest.raises(ConfigError, match=r"a combination \(one\)"):
        combine_searches({"one": config, "other": config}, tmp_path / "both")
