"""How well a box is answered: prongs and mass scales of signals, and suites of sealed boxes.

Each part prints a Markdown table and needs the reference events::

    python -P benchmarks/challenge.py prongs       # half a minute, with the simulation of signals
    python -P benchmarks/challenge.py suite --methods cwola pca sa_cwola_weights   # sealed boxes of columns

The second goes on where it stopped, in ``runs/challenge``. A suite is made of smaller ones of four boxes with
signal and four without, a seed each: more boxes add to those that are there.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from overdensity.ml import scan_edges
from overdensity.processors import process
from overdensity.processors.sources.lhco import LhcoSource
from overdensity.simulation import ZprimeMasses, simulate
from overdensity.stats.signal.prongs import count_prongs
from overdensity.workflow.config.reading import validated
from overdensity.workflow.suite.suite_config import SuiteConfig
from overdensity.workflow.suite.suite_result import suite_rates
from overdensity.workflow.suite.suite_run import run_suite

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "data" / "reference"
RUNS = ROOT / "runs" / "challenge"
QUANTITIES = ("mass", "tau21", "tau32")
JETS = ("heavier", "lighter")
STRENGTHS = (1.5, 2.5, 4.0, 6.0)  # S/√B of the boxes of a suite
MASSES = ((3823.0, 732.0, 378.0), (4500.0, 300.0, 200.0), (3000.0, 400.0, 80.0))

Columns = dict[str, NDArray[np.floating]]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["prongs", "suite"])
    parser.add_argument("--events", type=int, default=1000, help="simulated, of each signal")
    parser.add_argument("--injected", type=int, default=400, help="signal in a box")
    parser.add_argument("--boxes", type=int, help="for each signal: 10; 20 of a suite")
    parser.add_argument("--methods", nargs="+", default=["cwola"], help="of a suite")
    parser.add_argument("--background", type=int, default=100_000, help="in a box")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--workers", type=int, help="of searches; by default one per core")
    given = parser.parse_args()
    if given.part == "prongs":
        prongs(given.events, given.injected, given.boxes or 10, given.background, given.seed)
    else:
        suite(given.methods, given.boxes or 20, given.seed, given.workers)


def prongs(events: int, injected: int, boxes: int, size: int, seed: int) -> None:
    """Count prongs of signals in boxes, in windows around the true peaks of the jet masses."""
    background = columns_of(pq.read_table(REFERENCE / "rnd_background.parquet", columns=names()))
    print(
        f"{boxes} boxes of {size} background and {injected} signal events; τ are means over the excess "
        "in units of background jets\n"
    )
    head = ("masses [GeV]", "prongs", "jet", "peak of mjj, of m, over the truth")
    head = (*head, "τ21", "τ32", "τ32/τ21", "τ31", "right, wrong, too few to tell")
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for masses, true, signal in signals(events, seed):
        found = [
            counted(
                background, signal, masses, (size, injected), np.random.default_rng([seed, box])
            )
            for box in range(boxes)
        ]
        mjj = core(signal["mjj"], masses[0]) / masses[0]
        for k, jet in enumerate(JETS):
            taus = np.nanmean(np.array([each[k][1:] for each in found], dtype=float), axis=0)
            numbers = [each[k][0] for each in found]
            right, none = numbers.count(true), numbers.count(None)
            told = right, boxes - right - none, none
            peak = core(signal[f"{jet}_mass"], masses[k + 1]) / masses[k + 1]
            row = (
                " → ".join([f"{masses[0]:.0f}", f"{masses[1]:.0f} + {masses[2]:.0f}"]),
                f"{true}",
                jet,
                f"{mjj:.3f}, {peak:.3f}",
                *(f"{x:.2f}" for x in (*taus, taus[1] / taus[0], taus[0] * taus[1])),
                ", ".join(map(str, told)),
            )
            print("| " + " | ".join(row) + " |")


def signals(events: int, seed: int) -> Iterator[tuple[tuple[float, float, float], int, Columns]]:
    """Yield masses, prongs and columns: the reference signals, then simulated ones."""
    for prongs, name in ((2, "rnd_signal"), (3, "rnd_signal_3prong")):
        table = pq.read_table(REFERENCE / f"{name}.parquet", columns=names())
        yield (3500.0, 500.0, 100.0), prongs, columns_of(table)
    for masses in MASSES:
        for prongs in (2, 3):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "signal.h5")
                simulate(
                    path,
                    background=0,
                    signal=events,
                    seed=seed,
                    masses=ZprimeMasses(*masses),
                    prongs=prongs,
                    workers=1,
                )
                process(path, folder, source=LhcoSource())
                table = pq.read_table(Path(folder, "columns"), columns=names())
                yield masses, prongs, columns_of(table)


def names() -> list[str]:
    """Return the columns that are read."""
    return ["mjj", *(f"j{rank}_{name}" for rank in (1, 2) for name in QUANTITIES)]


def columns_of(table: object) -> Columns:
    """Return mjj and both jets, the heavier one first."""
    columns = {name: np.asarray(table[name], dtype=float) for name in names()}  # type: ignore[index]
    heavy_first = columns["j1_mass"] >= columns["j2_mass"]
    found = {"mjj": columns["mjj"]}
    for name in QUANTITIES:
        first, second = columns[f"j1_{name}"], columns[f"j2_{name}"]
        found[f"heavier_{name}"] = np.where(heavy_first, first, second)
        found[f"lighter_{name}"] = np.where(heavy_first, second, first)
    return found


def core(values: NDArray[np.floating], start: float) -> float:
    """Return the mean of a peak without its tails, GeV."""
    return peak_of(values, start)[0]


def peak_of(values: NDArray[np.floating], start: float) -> tuple[float, float]:
    """Return mean and width of a peak without its tails, GeV."""
    mean, width = start, 0.05 * start
    for _ in range(30):
        near = values[abs(values - mean) < 1.5 * width]
        mean, width = float(near.mean()), 1.35 * float(near.std())  # of a cut Gaussian
    return mean, width


def counted(
    background: Columns,
    signal: Columns,
    masses: tuple[float, float, float],
    numbers: tuple[int, int],
    rng: np.random.Generator,
) -> list[tuple[int | None, float | None, float | None]]:
    """Return prongs, τ21 and τ32 of both jets in a box drawn from the events."""
    size, injected = numbers
    rows = rng.choice(len(background["mjj"]), size, replace=False)
    chosen = rng.choice(len(signal["mjj"]), injected, replace=False)
    box = {name: np.r_[x[rows], signal[name][chosen]] for name, x in background.items()}
    edges, mjj = scan_edges(), box["mjj"]
    first = int(np.clip(np.searchsorted(edges, masses[0]) - 2, 2, len(edges) - 6))
    inside = (mjj >= edges[first]) & (mjj < edges[first + 3])
    beside = (mjj >= edges[first - 2]) & (mjj < edges[first + 5]) & ~inside
    is_background = np.arange(len(mjj)) < len(rows)
    transfer = np.count_nonzero(inside & is_background) / np.count_nonzero(beside)
    near = {}
    for jet, start in zip(JETS, masses[1:], strict=True):
        mean, width = peak_of(signal[f"{jet}_mass"], start)
        near[jet] = abs(box[f"{jet}_mass"] - mean) < 2 * width
    both = near["heavier"] & near["lighter"]
    found: list[tuple[int | None, float | None, float | None]] = []
    for jet in JETS:
        taus = np.stack([box[f"{jet}_tau21"], box[f"{jet}_tau32"]], axis=1)
        groups = taus[both & inside], taus[both & beside], taus[near[jet] & beside]
        told = count_prongs(*groups, transfer=transfer, seed=1)
        found.append((told.number, told.tau21, told.tau32))
    return found


def suite(methods: Sequence[str], boxes: int, seed: int, workers: int | None) -> None:
    """Search sealed boxes drawn from the reference events, and count what is found."""
    results = []
    for number in range(seed, seed + -(-boxes // len(STRENGTHS))):
        values = suite_of(methods, number) | {"workers": workers}
        config = validated(SuiteConfig, values, origin=f"suite {number}")
        results.append(run_suite(config))
    found = tuple(each for result in results for each in result.answers)
    rates = suite_rates(found, methods, results[0].level)
    table = replace(results[0], rates=rates, answers=found).table()
    print(f"{len(found) // len(methods)} sealed boxes of {results[0].events} events\n")
    print(replace(table, notes=()).markdown())
    print("| method | boxes | mean log score ± error |\n| --- | --- | --- |")
    for method in methods:
        scores = [each.score.log_score for each in found if each.score.name == method]
        error = np.std(scores, ddof=1) / np.sqrt(len(scores))
        print(f"| {method} | {len(scores)} | {np.mean(scores):.3f} ± {error:.3f} |")


def suite_of(methods: Sequence[str], seed: int) -> dict[str, Any]:
    """Return what stands in the file of a suite: a box of each strength, and as many without signal."""
    signals = {
        f"{prongs} prongs": {
            "files": str(REFERENCE / f"{name}.parquet"),
            "resonance_mass": 3500.0,
            "daughters": [
                {"name": name, "mass": mass, "prongs": prongs}
                for name, mass in (("X", 500.0), ("Y", 100.0))
            ],
        }
        for prongs, name in ((2, "rnd_signal"), (3, "rnd_signal_3prong"))
    }
    return {
        "pool": {
            "backgrounds": {"qcd": str(REFERENCE / "rnd_background.parquet")},
            "signals": signals,
        },
        "boxes": {
            "number": len(STRENGTHS),
            "strengths": list(STRENGTHS),
            "masses": [3200.0, 4200.0],
            "region": {"cuts": {"j1_pt": {"above": 1200.0}}},
        },
        "methods": list(methods),
        "search": {
            "repeats": 1,
            "scan": {"low": 2632.0, "high": 5500.0, "bins": 14},
            "simulation": str(
                REFERENCE / "other_shower_background.parquet"
            ),  # for those that need it
        },
        "seed": seed,
        "out": str(RUNS / f"suite-{seed}"),
    }


if __name__ == "__main__":
    main()
