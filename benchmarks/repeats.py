"""Several partitions into folds: is their combined p-value right, and is the lottery over? Markdown.

python -P benchmarks/repeats.py cells --datasets 2000         # the hardest classifier, seconds
python -P benchmarks/repeats.py toys --datasets 500           # boosted trees
python -P benchmarks/repeats.py seeds --boxes 3 --seeds 6     # boxes of the reference sample
python -P benchmarks/repeats.py time --events 250000          # what partitions cost, five minutes

``cells``: counts in 100 cells of a feature that knows nothing of the mass, without a fit; the classifier
is the ratio of signal region to sidebands, which finds every fluctuation. ``toys``: small datasets of
independent features, boosted trees and fits. Both are trained anew in every partition; one window, two
selections. ``seeds``: default searches of the same boxes under several seeds at K = 1, 3 and 9, without
signal and with: the spread of p_global, and the power. ``time``: the CPU time of whole searches of one
box. What is in the folder of ``--out`` is not made again, and adds up over several calls.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtr
from scipy.stats import kstest

from overdensity.core import progress
from overdensity.core.windows import Window, geometric_center
from overdensity.ml import Folding, Sample, cross_fit, make_method
from overdensity.stats import (
    FitModel,
    conformal_p,
    count_patterns,
    log_edges,
    selection_levels,
    subdivide,
)
from overdensity.stats.p_values.local import local_p, z_of_log_p, z_of_p
from overdensity.stats.p_values.repeats import combined_z, shared_variance
from overdensity.stats.search.statistical_step import statistical_step
from overdensity.workflow import parse_config, run_search
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.stages.hunting import hunt_scores
from overdensity.workflow.stages.run import Run, open_run
from overdensity.workflow.stages.scoring import make_scores
from overdensity.workflow.stages.selecting import selected_events

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
NUMBERS = (1, 3, 5, 9)  # of partitions
SEARCHED = (1, 3, 9)  # of them in whole searches
EFFICIENCIES = (0.1, 0.02)
EDGES = log_edges(2632.0, 6000.0, 16)
LOW, HIGH = float(EDGES[5]), float(EDGES[8])
WINDOW = Window(float(geometric_center(LOW, HIGH)), LOW, HIGH, float(EDGES[3]), float(EDGES[10]))
EVENTS, CELLS, FOLDS, KEPT = 3000, 100, 7, (10, 1)
METHOD = {"classifier": {"inner_folds": 2, "members": 1, "trees": {"iterations": 30, "leaves": 8}}}


def cells_z(rng: np.random.Generator, repeats: int, signal: float) -> tuple[np.ndarray, np.ndarray]:
    """Select the highest cells of each fold in every partition.

    Returns
    -------
    z : ndarray of shape (n_repeats, n_selections)
    variance : ndarray of shape (n_selections,)
        That of their mean by the events beside the signal region that partitions share.
    """
    inside = rng.integers(0, CELLS, rng.poisson(EVENTS))
    inside = np.append(inside, np.zeros(rng.poisson(signal), int))
    beside = rng.integers(0, CELLS, rng.poisson(2 * EVENTS))
    observed = np.empty((repeats, len(KEPT)))
    levels = np.zeros((repeats, beside.size, 1), int)
    for repeat in range(repeats):
        folds = [rng.integers(0, FOLDS, cells.size) for cells in (inside, beside)]
        counts, others = (
            np.bincount(fold * CELLS + cells, minlength=FOLDS * CELLS).reshape(FOLDS, CELLS)
            for fold, cells in zip(folds, (inside, beside), strict=True)
        )
        learnt = [sum(np.roll(each, -k, axis=0) for k in (1, 2, 3)) for each in (counts, others)]
        ratio = learnt[0] / np.maximum(learnt[1], 0.5) + 1e-9 * rng.random(counts.shape)
        order = np.argsort(-ratio, axis=1)
        ranked, rank = np.take_along_axis(counts, order, axis=1), np.argsort(order, axis=1)
        for kept in KEPT:
            levels[repeat, :, 0] += rank[folds[1], beside] < kept
        observed[repeat] = [ranked[:, :kept].sum() for kept in KEPT]
    z = z_of_p(local_p(observed, EVENTS * np.array(KEPT) / CELLS, 0.0))
    return z, shared_variance(np.zeros(beside.size), levels, [(1.0, 2.0)], len(KEPT))[0, 1:]


def cells(datasets: int) -> None:
    """Print how often p-values of one partition, and combined ones, are small; and with signal."""
    for signal in (0, 40):
        n = datasets if signal == 0 else max(datasets // 10, 1)
        found = []
        with progress(f"{signal} signal events", n) as advance:
            for seed in range(n):
                rng = np.random.default_rng([17, signal, seed])
                found.append(cells_z(rng, max(NUMBERS), signal))
                advance(1)
        print(f"{n} datasets of {EVENTS} events in the signal region and {signal} of signal\n")
        show_rates(*map(np.array, zip(*found, strict=True)), [kept / CELLS for kept in KEPT])


def toy(seed: int, events: int, features: int) -> Sample:
    """Make events of a falling spectrum, whose features are uniform at every mass."""
    rng = np.random.default_rng([16, seed])
    u, power = rng.random(events), -5.0
    mass = (EDGES[0] ** power + u * (EDGES[-1] ** power - EDGES[0] ** power)) ** (1 / power)
    names = [f"x{i}" for i in range(features)]
    return Sample.from_arrays(mass, rng.random((events, features)), names)


def significances(sample: Sample, seed: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Train in every partition; return z and its variance as `cells_z` does."""
    method, region = make_method("cwola", **METHOD), (WINDOW.low, WINDOW.high)
    z, passed = [], []
    for repeat in range(repeats):
        folding = Folding(seed=100 * seed + repeat)
        fold = folding.of(sample.event)
        scores = cross_fit(method, sample, WINDOW, folding)
        cut_on = -conformal_p(scores, sample.mass, fold, window=region, events=sample.event)
        levels = selection_levels(cut_on, fold, EFFICIENCIES, events=sample.event)
        patterns = count_patterns(sample.mass, levels[:, None], subdivide(EDGES, 2))
        step = statistical_step(patterns, [region], EFFICIENCIES, model=FitModel("dijet3"))
        z.append(z_of_log_p(step.log_p)[1:])
        passed.append(levels[:, None])
    variance = shared_variance(sample.mass, np.stack(passed), [region], len(EFFICIENCIES))
    return np.array(z), variance[0, 1:]


def toys(datasets: int, folder: Path, *, events: int, features: int) -> None:
    """Print how often p-values of one partition, and combined ones, are small."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with progress("datasets", datasets) as advance:
        for seed in range(datasets):
            path = folder / f"toy-{events}-{features}-{seed}.json"
            if not path.is_file():
                start = time.process_time()
                z, variance = significances(toy(seed, events, features), seed, max(NUMBERS))
                stored = {"z": z.tolist(), "variance": variance.tolist()}
                path.write_text(json.dumps({**stored, "seconds": time.process_time() - start}))
            found.append(json.loads(path.read_text()))
            advance(1)
    z = np.array([each["z"] for each in found])  # (n_datasets, n_repeats, n_selections)
    seconds = np.mean([each["seconds"] for each in found])
    print(
        f"{datasets} datasets of {events} events without signal, {seconds:.1f} CPU-seconds each\n"
    )
    show_rates(z, np.array([each["variance"] for each in found]), EFFICIENCIES)


def show_rates(z: np.ndarray, variance: np.ndarray, efficiencies: Sequence[float]) -> None:
    """Print p-values of z, shape (n_datasets, n_repeats, n_selections), with their variance."""
    print(
        "| selection | K | combined z | p below 0.05 [%] | below 0.01 [%] | below 0.001 [%] | "
        "KS p | variance of the mean | of shared events | from the spread |"
    )
    print("| --- " * 10 + "|")
    for selection, efficiency in enumerate(efficiencies):
        for number in NUMBERS:
            some = np.maximum(z[:, :number, selection], -2.0)
            mean, most = some.mean(axis=1), z.shape[1]
            shared = (most * variance[:, selection] - 1) / (most - 1)  # of any two partitions
            of_some = (1 + (number - 1) * shared) / number
            combined = combined_z(some.T, np.ones_like(some.T, bool), of_some)
            p = ndtr(-combined)
            spread = some.var(axis=1, ddof=1).mean() if number > 1 else 0.0
            rates = " | ".join(_rate(p, alpha) for alpha in (0.05, 0.01, 0.001))
            print(
                f"| {efficiency:g} | {number} | {combined.mean():.2f} | {rates} | "
                f"{kstest(p, 'uniform').pvalue:.2g} | "
                f"{mean.var():.2f} ± {mean.var() * np.sqrt(2 / len(mean)):.2f} | "
                f"{of_some.mean():.2f} | {1 - (1 - 1 / number) * spread:.2f} |"
            )
    print(flush=True)


def _rate(p: np.ndarray, alpha: float) -> str:
    rate = (p < alpha).mean()
    return f"{100 * rate:.2f} ± {100 * np.sqrt(max(rate, 1 / len(p)) * (1 - rate) / len(p)):.2f}"


def box(index: int, folder: Path, *, events: int, signal: int) -> Path:
    """Write the box of this index; boxes share no event."""
    path = folder / f"box{index}-{events}-{signal}.parquet"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        background = pq.read_table(REFERENCE / "rnd_background.parquet")
        parts = [background.slice(events * index, events)]
        if signal:
            read = pq.read_table(REFERENCE / "rnd_signal.parquet")
            parts.append(read.slice(signal * index, signal).select(background.column_names))
        pq.write_table(pa.concat_tables(parts), path)
    return path


def search(index: int, folder: Path, seed: int, *, events: int, signal: int) -> dict[str, Any]:
    """Search a box at every number of partitions, of which each is trained once."""
    name = f"search{index}-{events}-{signal}-{seed}"
    done = folder / f"{name}.json"
    if done.is_file():
        return json.loads(done.read_text())
    file = str(box(index, folder, events=events, signal=signal))
    run = scored(file, folder / name, seed, repeats=max(SEARCHED))
    selected = [selected_events(part) for part in run.partitions]
    levels, refused = (
        np.stack(each)
        for each in zip(*((some.levels, some.bent.refused) for some in selected), strict=True)
    )
    found = {}
    for number in SEARCHED:
        result = hunt_scores(
            *(run, selected[0].scores, levels[:number]), spurious=None, refused=refused[:number]
        )
        p = 1.0 if result.global_p is None else result.global_p.p_global
        z = 0.0 if result.best is None else result.best.z_local
        found[str(number)] = {"p_global": p, "z_local": z}
    done.write_text(json.dumps(found))
    rmtree(run.folder)
    return found


def scored(file: str, folder: Path, seed: int, *, repeats: int) -> Run:
    """Train the default search of a file in all partitions; what is there is not made again."""
    values = {"events": {"format": "columns", "files": [file]}, "cluster": "threads", "workers": 1}
    run = open_run(parse_config({**values, "seed": seed, "repeats": repeats, "out": str(folder)}))
    with connect("threads", 1) as client:
        make_scores(run, client)
    return run


def times(folder: Path, *, events: int) -> None:
    """Print the CPU time of whole searches of one box, at every number of partitions."""
    print(
        "| K | training and scoring [CPU-s] | all else, the report included [CPU-s] | whole [CPU-s] |"
    )
    print("| --- " * 4 + "|")
    file, out = str(box(0, folder, events=events, signal=0)), folder / f"time-{events}"
    rmtree(out, ignore_errors=True)
    trained = 0.0
    for number in SEARCHED:  # trainings of the smaller are those of the larger
        start = time.process_time()
        run = scored(file, out, 1, repeats=number)
        between = time.process_time()
        run_search(run.config)
        end, trained = time.process_time(), trained + between - start
        rest = end - between
        print(f"| {number} | {trained:.0f} | {rest:.0f} | {trained + rest:.0f} |", flush=True)


def seeds(boxes: int, n_seeds: int, folder: Path, *, events: int, signal: int) -> None:
    """Print the spread of p_global over seeds, and the power."""
    print(
        "| signal events | box | K | log10 p_global by seed | median | largest distance from it | "
        "z_local |"
    )
    print("| --- " * 7 + "|")
    for strength in (0, signal):
        for index in range(boxes):
            every = [
                search(index, folder, seed, events=events, signal=strength)
                for seed in range(1, n_seeds + 1)
            ]
            for number in SEARCHED:
                some = [found[str(number)] for found in every]
                log_p = np.log10([each["p_global"] for each in some])
                z = np.array([each["z_local"] for each in some])
                print(
                    f"| {strength} | {index} | {number} | {', '.join(f'{p:.2f}' for p in log_p)} | "
                    f"{np.median(log_p):.2f} | {np.abs(log_p - np.median(log_p)).max():.2f} | "
                    f"{z.mean():.2f} ± {z.std():.2f} |",
                    flush=True,
                )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["cells", "toys", "seeds", "time"])
    parser.add_argument("--datasets", type=int, default=500, help="of toys")
    parser.add_argument("--features", type=int, default=3, help="of toys")
    parser.add_argument("--boxes", type=int, default=3, help="at most 8")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument(
        "--events",
        type=int,
        help="of a toy (5000), of a box (20 000), or of the one timed (250 000)",
    )
    parser.add_argument("--signal", type=int, default=150, help="signal events in a box")
    parser.add_argument("--out", type=Path, default=Path("runs/repeats"))
    asked = parser.parse_args()
    folder = asked.out.absolute()
    if asked.part == "cells":
        cells(asked.datasets)
    elif asked.part == "toys":
        toys(asked.datasets, folder, events=asked.events or 5000, features=asked.features)
    elif asked.part == "time":
        times(folder, events=asked.events or 250_000)
    else:
        seeds(asked.boxes, asked.seeds, folder, events=asked.events or 20_000, signal=asked.signal)


if __name__ == "__main__":
    main()
