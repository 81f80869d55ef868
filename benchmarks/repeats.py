"""Several partitions into folds: is their combined p-value right, and is the lottery over? Markdown.

python -P benchmarks/repeats.py toys --datasets 500           # signal-free, training inside
python -P benchmarks/repeats.py seeds --boxes 3 --seeds 6     # boxes of the reference sample
python -P benchmarks/repeats.py rare --datasets 10000         # small p-values, scheme by scheme

``toys``: small datasets without signal, whose features know nothing of the mass. Each is divided into
folds K times, trained anew in each and selected; one window, two selections. ``seeds``: whole searches
of the same boxes under several seeds at K = 1, 3 and 9, without signal and with: the spread of p_global,
and the time. ``rare``: datasets as of ``toys``, one line each in a file; printed is how often each way
of training reports a local p-value that is small, in the manner of arXiv:2512.13787. What is in the
folder of ``--out`` is not made again, and adds up over several calls.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from scipy.special import ndtr
from scipy.stats import beta, kstest

from overdensity.core import progress
from overdensity.core.windows import Window, geometric_center
from overdensity.ml import Folding, Sample, cross_fit, make_method, score_fold
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
RARE = (0.1, 0.01, 0.001)
WAYS = ("tournament, 3 partitions", "tournament", "all others (k folds)", "halves, one tested")
ALPHAS = (0.05, 0.01, 0.002, 0.0005)
METHOD = {"classifier": {"inner_folds": 2, "members": 1, "trees": {"iterations": 30, "leaves": 8}}}


def toy(seed: int, events: int, features: int) -> Sample:
    """Make events of a falling spectrum, whose features are uniform at every mass."""
    rng = np.random.default_rng([16, seed])
    u, power = rng.random(events), -5.0
    mass = (EDGES[0] ** power + u * (EDGES[-1] ** power - EDGES[0] ** power)) ** (1 / power)
    names = [f"x{i}" for i in range(features)]
    return Sample.from_arrays(mass, rng.random((events, features)), names)


def select(
    sample: Sample, folding: Folding, efficiencies: tuple[float, ...], *, fold: int | None = None
) -> tuple[Sample, np.ndarray]:
    """Train, calibrate and cut; return the events that were scored, of all folds or of one, and levels."""
    method, of = make_method("cwola", **METHOD), folding.of(sample.event)
    if fold is None:
        scores = cross_fit(method, sample, WINDOW, folding)
    else:
        rows, scores = score_fold(method, sample, WINDOW, fold, folding)
        sample, of = sample.take(rows), of[rows]
    region, ids = (WINDOW.low, WINDOW.high), sample.event
    cut_on = -conformal_p(scores, sample.mass, of, window=region, events=ids)
    return sample, selection_levels(cut_on, of, efficiencies, events=ids)


def significance(
    sample: Sample, levels: np.ndarray, efficiencies: tuple[float, ...], *, bins_per_bin: int = 2
) -> np.ndarray:
    """Return z of each selection of the window; NaN where the fit did not converge."""
    patterns = count_patterns(sample.mass, levels[:, None], subdivide(EDGES, bins_per_bin))
    region = (WINDOW.low, WINDOW.high)
    step = statistical_step(patterns, [region], efficiencies, model=FitModel("dijet3"))
    return np.where(step.scan.fits.converged[0], z_of_log_p(step.log_p), np.nan)[1:]


def significances(sample: Sample, seed: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Train in every partition; return z (n_repeats, n_selections) and the share of common events."""
    inside, z, passed = WINDOW.signal(sample.mass), [], []
    for repeat in range(repeats):
        _, levels = select(sample, Folding(seed=100 * seed + repeat), EFFICIENCIES)
        z.append(significance(sample, levels, EFFICIENCIES))
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


def rare(
    datasets: int, folder: Path, *, first: int, events: int, features: int
) -> dict[str, np.ndarray]:
    """Add datasets to those that are there; print and return p by the way of training."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rare-{events}-{features}.jsonl"
    known = {each["seed"] for each in _lines(path)}
    with progress("datasets", datasets) as advance:
        for seed in range(first, first + datasets):
            if seed not in known:
                start = time.process_time()
                z = every_way(toy(seed, events, features), seed)
                line = {"seed": seed, "z": z, "seconds": round(time.process_time() - start, 3)}
                with path.open("a") as file:  # one write a line: several processes may add to it
                    file.write(json.dumps(line) + "\n")
            advance(1)
    found = {each["seed"]: each for each in _lines(path)}.values()
    z = np.array([each["z"] for each in found], dtype=float)  # (n_datasets, n_ways, n_selections)
    each_p = np.moveaxis(np.where(np.isnan(z), 1.0, ndtr(-z)), 1, 0)
    p: dict[str, np.ndarray] = dict(zip(WAYS, each_p, strict=True))
    seconds = np.mean([each["seconds"] for each in found])
    print(
        f"{len(found)} datasets of {events} events, {features} features and no signal, "
        f"{seconds:.2f} CPU-seconds each; how often [%] a local p-value below α is reported, with "
        "its 68 % interval\n"
    )
    print(f"| selection | training | {' | '.join(f'α = {100 * a:g} %' for a in ALPHAS)} |")
    print("| --- " * (2 + len(ALPHAS)) + "|")
    for k, efficiency in enumerate(RARE):
        for way in WAYS:
            cells = " | ".join(_interval(p[way][:, k], alpha) for alpha in ALPHAS)
            print(f"| {efficiency:g} | {way} | {cells} |")
    return p


def every_way(sample: Sample, seed: int) -> list[list[float | None]]:
    """Return the significances of all selections, under each way of training."""
    several = [
        significance(*select(sample, Folding(seed=100 * seed + repeat), RARE), RARE)
        for repeat in range(3)
    ]
    together = combined_z(several, np.isfinite(several))
    halves = Folding(seed=100 * seed, folds=2, scheme="all")
    z = (
        together,
        several[0],
        significance(*select(sample, Folding(seed=100 * seed, scheme="all"), RARE), RARE),
        significance(*select(sample, halves, RARE, fold=0), RARE),
    )
    return [[round(x, 3) if np.isfinite(x) else None for x in each.tolist()] for each in z]


def plot_rare(p: Mapping[str, np.ndarray], path: Path) -> None:
    """Draw how often a p-value is reported that is at most so large, over what it should be."""
    figure = Figure(figsize=(4.2 * len(RARE), 3.8), layout="constrained")
    panels = figure.subplots(1, len(RARE), sharey=True)
    for k, (panel, efficiency) in enumerate(zip(panels, RARE, strict=True)):
        for i, (way, values) in enumerate(p.items()):
            n = len(values)
            count = np.arange(1, n + 1)
            low, high = (
                beta.ppf(q, count + j, n - count + 1 - j) for j, q in ((0, 0.16), (1, 0.84))
            )
            reported = np.sort(values[:, k])
            panel.plot(reported, count / n / reported, color=f"C{i}", label=way)
            panel.fill_between(
                reported, low / reported, high / reported, color=f"C{i}", alpha=0.2, linewidth=0
            )
        panel.axhline(1.0, color="k", linestyle=":", label="exact")
        panel.set(xscale="log", yscale="log", xlim=(1e-4, 1.0), ylim=(0.1, 10.0))
        panel.set(xlabel="reported local p", title=f"selection {efficiency:g}")
    panels[0].set(ylabel="fraction of datasets at or below / reported p")
    panels[0].legend(fontsize="small")
    figure.savefig(path, dpi=110)


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the datasets that are there; a last line that was not finished is none."""
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def _interval(p: np.ndarray, alpha: float) -> str:
    """Return how often p is below alpha, with the interval of Clopper and Pearson."""
    n, k = len(p), int((p < alpha).sum())
    low = 100 * beta.ppf(0.16, k, n - k + 1) if k else 0.0
    return f"{100 * k / n:.3g} ({low:.2g}-{100 * beta.ppf(0.84, k + 1, n - k):.2g})"


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
    parser.add_argument("part", choices=["toys", "seeds", "rare"])
    parser.add_argument("--datasets", type=int, default=500, help="of toys, or more of rare")
    parser.add_argument("--first", type=int, default=0, help="seed of the first dataset of rare")
    parser.add_argument("--features", type=int, default=3, help="of toys")
    parser.add_argument("--boxes", type=int, default=3, help="at most 8")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--events", type=int, help="by default 5000 of a toy, 40 000 of a box")
    parser.add_argument("--signal", type=int, default=150, help="signal events in a box")
    parser.add_argument("--out", type=Path, default=Path("runs/repeats"))
    parser.add_argument("--figures", type=Path, help="folder for the picture of rare")
    asked = parser.parse_args()
    folder = asked.out.absolute()
    small = {"events": asked.events or 5000, "features": asked.features}
    if asked.part == "toys":
        toys(asked.datasets, folder, **small)
    elif asked.part == "rare":
        p = rare(asked.datasets, folder, first=asked.first, **small)
        if asked.figures is not None:
            plot_rare(p, asked.figures / "calibration_rare.png")
    else:
        seeds(asked.boxes, asked.seeds, folder, events=asked.events or 40_000, signal=asked.signal)


if __name__ == "__main__":
    main()
