"""The table of a benchmark: medians over the seeds, and how they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.ml import MassSculpting
from overdensity.ml.evaluation.metrics import Performance, SicPoint
from overdensity.workflow.benchmark.benchmark_result import (
    EPS_S,
    BenchmarkResults,
    BenchmarkRun,
    Spread,
    as_markdown,
    summary,
)
from overdensity.workflow.stages.provenance import Provenance

EDGES = (3000.0, 3500.0, 4000.0)


def made(method: str, seed: int, n_signal: int | None = 100, *, sic: float = 4.0) -> BenchmarkRun:
    """Return what a training would have left."""
    found = (
        SicPoint(0.1, 0.1**0.5 * sic / 2, 1000, sic / 2, 0.1),
        SicPoint(0.01, 0.1 * sic, 100, sic, 0.2),
    )
    bent = (
        MassSculpting(0.1, EDGES, (100, 200), (10, 20), 1.0, 1, 0.01, 0.01),
        MassSculpting(0.01, EDGES, (100, 200), (1, 2), 2.0, 1, 0.02, 0.02),
    )
    return BenchmarkRun(
        method=method,
        seed=seed,
        n_signal=n_signal,
        signal=n_signal,
        background=None if n_signal is None else 10_000,
        test_signal=500,
        test_background=10_000,
        performance=Performance(0.9, found, found[1]),
        curve=tuple(None if eps_s < 0.05 else sic * eps_s for eps_s in EPS_S),
        sculpting=bent,
        seconds=3.0,
    )


def benchmark(*, name: str, labelled: str) -> BenchmarkResults:
    """Return one method at two strengths, and one that learns from labels."""
    runs = (
        *(made(name, seed, sic=sic) for seed, sic in ((1, 3.0), (2, 5.0), (3, 4.0))),
        made(name, 1, 400, sic=6.0),
        made(labelled, 1, None, sic=20.0),
    )
    rows, smallest = summary(runs)
    provenance = Provenance("now", 1, {}, (), {}, "here")
    return BenchmarkResults(provenance, (0.1, 0.01), 25, EPS_S, rows, smallest, runs)


@pytest.fixture
def results() -> BenchmarkResults:
    return benchmark(name="cwola", labelled="supervised")


def test_spread_is_median_and_range() -> None:
    assert Spread.of([3.0, 1.0, 2.0], [0.1, 0.3, 0.2]) == Spread(2.0, 1.0, 3.0, 0.2)


def test_errors_that_are_not_known_do_not_count() -> None:
    assert Spread.of([1.0, 2.0], [None, 0.4]).error == 0.4
    assert Spread.of([1.0], [None]).error is None


def test_a_row_is_a_method_at_one_strength(results: BenchmarkResults) -> None:
    assert [(row.method, row.n_signal, row.seeds) for row in results.rows] == [
        ("cwola", 100, 3),
        ("cwola", 400, 1),
        ("supervised", None, 1),
    ]
    first = results.rows[0]
    assert first.max_sic == Spread(4.0, 3.0, 5.0, 0.2)
    assert first.signal_to_background == 0.01
    assert first.significance == 1.0
    assert [spread.median for spread in first.chi2_per_ndf] == [1.0, 2.0]


def test_smallest_significance_needs_several_strengths(results: BenchmarkResults) -> None:
    assert set(results.smallest) == {"cwola"}
    # S/√B of 1 and 4 become 4σ and 24σ: 5σ lies a twentieth of the way between them.
    assert results.smallest["cwola"].value == pytest.approx(1 + 3 / 20)


def test_curves_of_a_row_are_those_of_its_seeds(results: BenchmarkResults) -> None:
    curves = results.curves_of(results.rows[0])
    assert curves.shape == (3, 100)
    assert np.isnan(curves[:, 0]).all()
    assert curves[:, -1].tolist() == [3.0, 5.0, 4.0]


def test_table_says_what_its_numbers_are(results: BenchmarkResults) -> None:
    header, _, first, *_ = as_markdown(results).splitlines()
    assert [name.strip() for name in header.strip("|").split("|")] == [
        *("method", "signal", "S/B", "S/√B", "seeds", "SIC(10 %)", "SIC(1 %)", "max SIC", "AUC"),
        *("χ²/ndf(10 %)", "χ²/ndf(1 %)", "s"),
    ]
    assert "| 4.0 ± 0.2 (3.0 to 5.0) |" in first
    assert "keeps at least 25 background events" in as_markdown(results)


def test_results_come_back_from_their_file(results: BenchmarkResults, tmp_path: Path) -> None:
    path = results.to_json(tmp_path / "benchmark.json")
    assert BenchmarkResults.from_json(path) == results
