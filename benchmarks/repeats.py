"""Several partitions into folds: is their combined p-value right, and is the lottery over? Markdown.

python -P benchmarks/repeats.py toys --datasets 500           # signal-free, training inside
python -P benchmarks/repeats.py seeds --boxes 3 --seeds 6     # boxes of the reference sample

``toys``: small datasets without signal, whose features know nothing of the mass. Each is divided into
folds K times, trained anew in each and selected; one window, two selections. ``seeds``: whole searches
of the same boxes under several seeds at K = 1, 3 and 9, without signal and with: the spread of p_global,
and the time. What is in the folder of ``--out`` is not made again, and adds up over several calls.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
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
from overdensity.stats.p_values.local import z_of_log_p
from overdensity.stats.search.repeats import combined_z
from overdensity.stats.search.statistical_step import statistical_step
from overdensity.workflow import parse_config, run_search

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
NUMBERS = (1, 3, 9)  # of partitions
EFFICIENCIES = (0.1, 0.02)
EDGES = log_edges(2632.0, 6000.0, 16)
LOW, HIGH = float(EDGES[5]), float(EDGES[8])
WINDOW = Window(float(geometric_center(LOW, HIGH)), LOW, HIGH, float(EDGES[3]), float(EDGES[10]))
METHOD = {"classifier": {"inner_folds": 2, "members": 1, "trees": {"iterations": 30, "leaves": 8}}}


def toy(seed: int, events: int, features: int) -> Sample:
    """Make events of a falling spectrum, whose features are uniform at every mass."""
    rng = np.random.default_rng([16, seed])
    u, power = rng.random(events), -5.0
    mass = (EDGES[0] ** power + u * (EDGES[-1] ** power - EDGES[0] ** power)) ** (1 / power)
    names = [f"x{i}" for i in range(features)]
    return Sample.from_arrays(mass, rng.random((events, features)), names)


def significances(sample: Sample, seed: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Train in every partition; return z (n_repeats, n_selections) and the share of common events."""
    method, region = make_method("cwola", **METHOD), (WINDOW.low, WINDOW.high)
    inside, z, passed = WINDOW.signal(sample.mass), [], []
    for repeat in range(repeats):
        folding = Folding(seed=100 * seed + repeat)
        fold = folding.of(sample.event)
        scores = cross_fit(method, sample, WINDOW, folding)
        cut_on = -conformal_p(scores, sample.mass, fold, window=region, events=sample.event)
        levels = selection_levels(cut_on, fold, EFFICIENCIES, events=sample.event)
        patterns = count_patterns(sample.mass, levels[:, None], subdivide(EDGES, 2))
        step = statistical_step(patterns, [region], EFFICIENCIES, model=FitModel("dijet3"))
        z.append(z_of_log_p(step.log_p)[1:])
        passed.append([inside & (levels >= level) for level in (1, 2)])
    each = np.array(passed, dtype=float)
    common = np.einsum("ksn,lsn->skl", each, each)
    return np.array(z), common / np.maximum(each.sum(axis=2).mean(axis=0)[:, None, None], 1)


def toys(datasets: int, folder: Path, *, events: int, features: int) -> None:
    """Print how often p-values of one partition, and combined ones, are small."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with progress("datasets", datasets) as advance:
        for seed in range(datasets):
            path = folder / f"toy-{events}-{features}-{seed}.json"
            if not path.is_file():
                start = time.process_time()
                z, common = significances(toy(seed, events, features), seed, max(NUMBERS))
                stored = {"z": z.tolist(), "common": common.tolist()}
                path.write_text(json.dumps({**stored, "seconds": time.process_time() - start}))
            found.append(json.loads(path.read_text()))
            advance(1)
    z = np.array([each["z"] for each in found])  # (n_datasets, n_repeats, n_selections)
    seconds = np.mean([each["seconds"] for each in found])
    print(
        f"{datasets} datasets of {events} events without signal, {seconds:.1f} CPU-seconds each\n"
    )
    print(
        "| selection | K | KS p | below 0.05 [%] | below 0.01 [%] | variance of z | from the spread |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for selection, efficiency in enumerate(EFFICIENCIES):
        for number in NUMBERS:
            some = np.maximum(z[:, :number, selection], -2.0)
            mean = combined_z(some.T, np.ones_like(some.T, bool))
            p = ndtr(-mean)
            spread = some.var(axis=1, ddof=1).mean() if number > 1 else 0.0
            rates = " | ".join(_rate(p, alpha) for alpha in (0.05, 0.01))
            print(
                f"| {efficiency:g} | {number} | {kstest(p, 'uniform').pvalue:.2g} | {rates} | "
                f"{mean.var():.2f} ± {mean.var() * np.sqrt(2 / len(mean)):.2f} | "
                f"{1 - (1 - 1 / number) * spread:.2f} |"
            )
    print()


def _rate(p: np.ndarray, alpha: float) -> str:
    rate = (p < alpha).mean()
    return f"{100 * rate:.1f} ± {100 * np.sqrt(max(rate, 1 / len(p)) * (1 - rate) / len(p)):.1f}"


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


def search(
    index: int, folder: Path, seed: int, *, events: int, signal: int
) -> list[dict[str, Any]]:
    """Search a box at every number of partitions; scores of the smaller serve the larger."""
    name = f"search{index}-{events}-{signal}-{seed}"
    done, seconds, found = folder / f"{name}.json", 0.0, []
    if done.is_file():
        return json.loads(done.read_text())
    files = [str(box(index, folder, events=events, signal=signal))]
    for number in NUMBERS:
        start = time.process_time()
        values = {"events": {"format": "columns", "files": files}, "seed": seed, "repeats": number}
        values |= {"out": str(folder / name), "cluster": "threads", "pseudo_experiments": 5000}
        best = run_search(parse_config(values)).best
        seconds += time.process_time() - start
        p, z = (1.0, 0.0) if best is None else (best.p_global, best.z_local)
        found.append({"repeats": number, "p_global": p, "z_local": z, "seconds": seconds})
    done.write_text(json.dumps(found))
    return found


def seeds(boxes: int, n_seeds: int, folder: Path, *, events: int, signal: int) -> None:
    """Print the spread of p_global over seeds, the power and the time."""
    print(
        "| signal events | box | K | log10 p_global by seed | from their median | z_local | CPU-s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for strength in (0, signal):
        for index in range(boxes):
            every = [
                search(index, folder, seed, events=events, signal=strength)
                for seed in range(1, n_seeds + 1)
            ]
            for k, number in enumerate(NUMBERS):
                some = [found[k] for found in every]
                log_p = np.log10([each["p_global"] for each in some])
                z = np.array([each["z_local"] for each in some])
                print(
                    f"| {strength} | {index} | {number} | {', '.join(f'{p:.2f}' for p in log_p)} | "
                    f"{np.abs(log_p - np.median(log_p)).max():.2f} | {z.mean():.2f} ± {z.std():.2f} | "
                    f"{np.mean([each['seconds'] for each in some]):.0f} |",
                    flush=True,
                )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["toys", "seeds"])
    parser.add_argument("--datasets", type=int, default=500, help="of toys")
    parser.add_argument("--features", type=int, default=3, help="of toys")
    parser.add_argument("--boxes", type=int, default=3, help="at most 8")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--events", type=int, help="by default 5000 of a toy, 40 000 of a box")
    parser.add_argument("--signal", type=int, default=150, help="signal events in a box")
    parser.add_argument("--out", type=Path, default=Path("runs/repeats"))
    asked = parser.parse_args()
    folder = asked.out.absolute()
    if asked.part == "toys":
        toys(asked.datasets, folder, events=asked.events or 5000, features=asked.features)
    else:
        seeds(asked.boxes, asked.seeds, folder, events=asked.events or 40_000, signal=asked.signal)


if __name__ == "__main__":
    main()
