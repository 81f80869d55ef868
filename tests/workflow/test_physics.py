"""The promise of the project: a hidden resonance is found, and nothing is found where none is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from overdensity.simulation import simulate
from overdensity.workflow import SearchResults, connect, parse_config, run_search
from overdensity.workflow.stages.processing.columns import make_columns
from overdensity.workflow.stages.run import Run

logger = logging.getLogger("overdensity.tests")

BACKGROUND, SIGNAL, MASS = 40_000, 250, 3500.0  # as in `make demo`; S/B = 0.6 %
SEEDS = (1, 2, 3)


def search(columns: list[Path], out: Path, seed: int, **more: Any) -> SearchResults:
    """Do the search of the quickstart on columns."""
    return run_search(
        parse_config(
            {
                "events": {"format": "columns", "files": [str(path) for path in columns]},
                "seed": seed,
                "out": str(out),
                **more,
            }
        )
    )


def draw(path: Path, table: pa.Table, n: int, rng: np.random.Generator) -> Path:
    """Write n events of a table, drawn without replacement."""
    pq.write_table(table.take(rng.choice(len(table), n, replace=False)), path)
    return path


def assert_found(found: list[SearchResults], *, at_least: int) -> None:
    """Check that a resonance too weak to be seen before selection stands out after it."""
    told = [
        (
            max(window.unselected.z_local or 0.0 for window in results.windows),
            results.best.p_global if results.best is not None else 1.0,
            results.best.mass if results.best is not None else 0.0,
        )
        for results in found
    ]
    logger.info("largest z before, p_global, mass: %s", told)
    seen = [z < 3 and p < 1e-3 and abs(mass / MASS - 1) < 0.03 for z, p, mass in told]
    assert sum(seen) >= at_least, told


def assert_quiet(found: list[SearchResults], *, at_least: int) -> None:
    """Check that nothing is claimed: a p-value is below 5 % in one box of twenty."""
    p_global = [0.0 if results.best is None else results.best.p_global for results in found]
    logger.info("p_global without signal: %s", p_global)
    assert sum(p > 0.05 for p in p_global) >= at_least, p_global


@pytest.fixture(scope="module")
def reference_boxes(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Path, Path]]:
    """Background and signal of one box a seed, from the reference sample made with Delphes."""
    folder = tmp_path_factory.mktemp("reference")
    background = pq.read_table(shared_data / "reference" / "rnd_background.parquet")
    signal = pq.read_table(shared_data / "reference" / "rnd_signal.parquet")
    rng = np.random.default_rng(7)
    return [
        (
            draw(folder / f"background{seed}.parquet", background, BACKGROUND, rng),
            draw(folder / f"signal{seed}.parquet", signal, SIGNAL, rng),
        )
        for seed in SEEDS
    ]


@pytest.mark.slow(seconds=60)
def test_resonance_among_delphes_events_is_found_in_at_least_two_of_three_boxes(
    reference_boxes: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    found = [
        search(list(files), tmp_path / str(seed), seed, repeats=1)
        for seed, files in zip(SEEDS, reference_boxes, strict=True)
    ]
    assert_found(found, at_least=2)


@pytest.mark.slow(seconds=60)
def test_delphes_events_without_resonance_are_quiet_in_at_least_two_of_three_boxes(
    reference_boxes: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    found = [
        search([background], tmp_path / str(seed), seed, repeats=1)
        for seed, (background, _) in zip(SEEDS, reference_boxes, strict=True)
    ]
    assert_quiet(found, at_least=2)


@pytest.fixture(scope="module")
def simulated_box(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Columns of the box of the demo, with its signal and without, from our own simulation."""
    folder = tmp_path_factory.mktemp("simulated")
    file = folder / "box.h5"
    simulate(file, background=BACKGROUND, signal=SIGNAL, seed=1)
    with connect("local") as client:
        make_columns(
            Run(parse_config({"events": {"files": str(file)}, "out": str(folder)})), client
        )
    box = pq.read_table(folder / "columns")
    paths = (folder / "box.parquet", folder / "background.parquet")
    for table, path in zip((box, box.filter(pc.equal(box["label"], 0))), paths, strict=True):
        pq.write_table(table, path)
    return paths


@pytest.mark.slow(seconds=300)  # most of it the simulation
def test_resonance_in_the_box_of_the_demo_is_found(
    simulated_box: tuple[Path, Path], tmp_path: Path
) -> None:
    assert_found([search([simulated_box[0]], tmp_path, 1)], at_least=1)


@pytest.mark.slow(seconds=30)
def test_box_of_the_demo_without_its_signal_is_quiet(
    simulated_box: tuple[Path, Path], tmp_path: Path
) -> None:
    best = search([simulated_box[1]], tmp_path, 1, repeats=1).best
    assert best is None or best.p_global > 0.01
