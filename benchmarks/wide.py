"""Wide feature sets: many N-subjettiness columns against four features (arXiv:2309.13111).

    python -P benchmarks/wide.py sample [--background 18] [--signal 2]      # events: see docs/wide.md
    overdensity benchmark examples/benchmark/wide.yaml
    python -P benchmarks/wide.py table           # what came out, as ratios to the four features
    python -P benchmarks/wide.py cost            # CPU time of one training of each method
    python -P benchmarks/wide.py range           # which hard scatterings the signal region is made of

`sample` simulates events piece by piece, fills their columns with the dijet processor and keeps
those of the signal region; a piece that is there is not made again. Hard scatterings that seldom
end up in the signal region are not generated (`M_HAT`; `range` says what is lost by that).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from overdensity.ml import make_method
from overdensity.processors import DijetProcessor, LhcoSource, process
from overdensity.simulation import GeneratorSettings, SimulationReport, simulate
from overdensity.workflow.benchmark.benchmark_result import BenchmarkResults, BenchmarkRun
from overdensity.workflow.benchmark.events import training_events
from overdensity.workflow.config.benchmark import BenchmarkConfig
from overdensity.workflow.config.reading import load_benchmark

WORK = Path("runs/wide")
CONFIG = Path(__file__).resolve().parents[1] / "examples" / "benchmark" / "wide.yaml"
M_HAT = (2700.0, 4800.0)  # GeV
SIGNAL_REGION = (3300.0, 3700.0)  # GeV
PIECE = {"background": 20_000, "signal": 10_000}  # selected events, before the signal region
FEATURES = (*(f"tau{n}{b}" for b in ("_b0.5", "", "_b2") for n in range(1, 10)), "tau21", "n")
NOISE = 10  # columns
RANGE_EVENTS = 3000


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=("sample", "table", "cost", "range"))
    parser.add_argument("--background", type=int, default=18, help="pieces of background")
    parser.add_argument("--signal", type=int, default=2, help="pieces of signal")
    parser.add_argument("--reference", default="4 features", help="to which ratios are given")
    parser.add_argument("--repeats", type=int, default=3, help="trainings that are timed")
    arguments = parser.parse_args()
    if arguments.part == "sample":
        for kind in ("signal", "background"):
            for piece in range(getattr(arguments, kind)):
                make_piece(kind, piece)
    elif arguments.part == "table":
        table(load_benchmark(CONFIG), arguments.reference)
    elif arguments.part == "cost":
        cost(load_benchmark(CONFIG), arguments.repeats)
    else:
        hard_scatterings()


def make_piece(kind: str, piece: int) -> None:
    """Write a piece of the sample, unless it is there."""
    path = WORK / kind / f"{piece:02}.parquet"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    is_signal = kind == "signal"
    seed = 2 * piece + is_signal
    columns, _ = events(PIECE[kind], is_signal=is_signal, seed=seed, m_hat=M_HAT)
    noise = np.random.default_rng([seed, NOISE]).standard_normal((NOISE, len(columns)))
    for i, column in enumerate(noise.astype(np.float32)):
        columns = columns.append_column(f"noise{i + 1}", pa.array(column))
    part = path.with_suffix(".part")
    pq.write_table(columns, part)
    part.rename(path)
    print(
        f"{path}: {len(columns)} events, {time.process_time() - started:.0f} s of CPU", flush=True
    )


def events(
    number: int, *, is_signal: bool, seed: int, m_hat: tuple[float | None, float | None]
) -> tuple[pa.Table, SimulationReport]:
    """Simulate selected events; return the columns of those in the signal region."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.h5"
        report = simulate(
            file,
            background=0 if is_signal else number,
            signal=number if is_signal else 0,
            seed=seed,
            generator=GeneratorSettings(m_hat_min=m_hat[0], m_hat_max=m_hat[1]),
            workers=1,
        )
        process(str(file), folder, source=LhcoSource(), processor=DijetProcessor(features=FEATURES))
        columns = pq.read_table(Path(folder) / "columns")
    mass = columns["mjj"].to_numpy()
    inside = (mass >= SIGNAL_REGION[0]) & (mass < SIGNAL_REGION[1])
    return columns.filter(pa.array(inside)), report


def hard_scatterings() -> None:
    """Print the share of the signal region that hard scatterings in and out of `M_HAT` make up."""
    found: list[tuple[str, float, float]] = []
    for seed, m_hat in enumerate(((None, M_HAT[0]), M_HAT, (M_HAT[1], None))):
        columns, report = events(RANGE_EVENTS, is_signal=False, seed=seed, m_hat=m_hat)
        tally = report.processes["background"]
        assert tally.cross_section is not None
        assert tally.efficiency is not None
        per_event = tally.cross_section * tally.efficiency / tally.written
        name = " to ".join("…" if edge is None else f"{edge:.0f}" for edge in m_hat)
        found.append((name, per_event * len(columns), per_event * len(columns) ** 0.5))
    total = sum(share for _, share, _ in found)
    print(f"{RANGE_EVENTS} selected events each\n")
    print("| mass of the hard scattering, GeV | share of the signal region |\n| --- | --- |")
    for name, share, error in found:
        print(f"| {name} | {100 * share / total:.1f} ± {100 * error / total:.1f} % |")


def table(config: BenchmarkConfig, reference: str) -> None:
    """Print what the benchmark found, and the ratios to one of its methods."""
    results = BenchmarkResults.from_json(Path(config.out) / "benchmark.json")
    expected = np.array([_figures(run) for run in results.runs if run.method == reference])
    if not len(expected):
        msg = f"--reference: no method {reference!r} among {[row.method for row in results.rows]}"
        raise SystemExit(msg)
    ratios = [f"SIC({100 * efficiency:g} %)" for efficiency in results.selections] + ["max SIC"]
    print(f"| method | {' | '.join(ratios)} | AUC | ratio of {' | ratio of '.join(ratios[1:])} |")
    print("|" + " --- |" * (2 * len(ratios) + 1))
    for row in results.rows:
        cells = [f"{x.median:.1f} ({x.low:.1f} to {x.high:.1f})" for x in (*row.sic, row.max_sic)]
        cells.append(f"{row.auc.median:.3f} ({row.auc.low:.3f} to {row.auc.high:.3f})")
        found = np.array([_figures(run) for run in results.runs_of(row)])
        cells += [_ratio(found[:, i], expected[:, i]) for i in range(1, len(ratios))]
        print(f"| {row.method} | {' | '.join(cells)} |")


def _figures(run: BenchmarkRun) -> list[float]:
    return [*(at.sic for at in run.performance.sic), run.performance.max_sic.sic]


def _ratio(found: NDArray[np.float64], expected: NDArray[np.float64]) -> str:
    """Return the ratio of the medians, and the range of the ratios seed by seed."""
    each = found / expected
    return f"{np.median(found) / np.median(expected):.2f} ({each.min():.2f} to {each.max():.2f})"


def cost(config: BenchmarkConfig, repeats: int) -> None:
    """Print the CPU time of a training of each method on all its events."""
    print("| method | CPU time, s | per member, s |\n| --- | --- | --- |")
    for label, settings in config.methods.items():
        method = make_method(settings.name, **settings.hyperparameters)
        is_supervised = "labels" in method.needs
        n_signal = None if is_supervised else round(config.strengths[0])
        data, simulation = training_events(config, label, n_signal=n_signal, seed=1)
        data = data if is_supervised else data.without_label()

        def train(seed: int) -> None:
            method.fit(data, config.window.window(), simulation=simulation, seed=seed)  # noqa: B023

        seconds = [_cpu(train, seed) for seed in range(repeats)]
        ensemble = method.hyper.classifier
        members = ensemble.inner_folds * ensemble.members
        middle = float(np.median(seconds))
        print(
            f"| {label} | {middle:.1f} ({min(seconds):.1f} to {max(seconds):.1f}) | "
            f"{middle / members:.2f} |",
            flush=True,
        )


def _cpu(work: Callable[[int], None], seed: int) -> float:
    started = time.process_time()
    work(seed)
    return time.process_time() - started


if __name__ == "__main__":
    main()
