"""Calibration where it hurts: is a small local p-value as rare as it says? Training inside; Markdown.

    python -P benchmarks/rare.py --datasets 10000                # go on to that many, on one core
    python -P benchmarks/rare.py --first 10000 --datasets 10000  # others, at the same time
    python -P benchmarks/rare.py --datasets 0                    # the table of all that are there

The question of arXiv:2512.13787, at a fixed selection of one window: small datasets without signal,
whose features know nothing of the mass, boosted trees trained on each, calibrated, selected and fitted by
the library. Four ways of training see the same datasets: the tournament of folds with three partitions,
the tournament with one, all other folds, and one half of the events trained on, the other alone tested.
Each dataset is a line in a file in the folder of ``--out``, named by the settings: what is there is not
made again, and adds up over several calls. Take another folder after a change of what is measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from overdensity.core import progress
from overdensity.core.identity import json_digest
from overdensity.core.json_lines import add_line, read_lines
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
from overdensity.stats.p_values.local import p_of_z, z_of_log_p
from overdensity.stats.p_values.repeats import shared_variance
from overdensity.stats.p_values.shares import share_below
from overdensity.stats.search.statistical_step import StatisticalStep, statistical_step

EFFICIENCIES = (0.1, 0.01, 0.001)
WAYS = ("tournament, 3 partitions", "tournament", "all others (k folds)", "halves, one tested")
ALPHAS = (0.05, 0.01, 0.002, 0.0005)
PARTITIONS = 3
MODEL = FitModel("dijet3")
METHOD = {"classifier": {"inner_folds": 2, "members": 1, "trees": {"iterations": 30, "leaves": 8}}}
EDGES = log_edges(2632.0, 6000.0, 16)
REGION = float(EDGES[5]), float(EDGES[8])
WINDOW = Window(
    float(geometric_center(*REGION)), *REGION, sideband_low=EDGES[3], sideband_high=EDGES[10]
)


def dataset(seed: int, events: int, features: int) -> Sample:
    """Make events with dN/dm ~ m^-6, whose features are uniform at every mass."""
    rng = np.random.default_rng([18, seed])
    low, high = (EDGES[[0, -1]] ** -5.0).tolist()
    mass = rng.uniform(high, low, events) ** -0.2
    return Sample.from_arrays(
        mass, rng.random((events, features)), [f"x{i}" for i in range(features)]
    )


def levels_of(sample: Sample, scores: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Calibrate scores and cut on them; return the selections passed, (n_events, 1)."""
    ids = sample.event
    cut_on = -conformal_p(scores, sample.mass, fold, window=REGION, events=ids)
    return selection_levels(cut_on, fold, EFFICIENCIES, events=ids)[:, None]


def significances(sample: Sample, seed: int) -> list[list[float | None]]:
    """Return z of every selection under each way of training; None where it may not be quoted."""
    method = make_method("cwola", **METHOD)
    foldings = [Folding(seed=100 * seed + repeat) for repeat in range(PARTITIONS)]
    every = [*foldings, Folding(seed=100 * seed, scheme="all")]
    levels = [
        levels_of(sample, cross_fit(method, sample, WINDOW, each), each.of(sample.event))
        for each in every
    ]
    rows, scores = score_fold(
        method, sample, WINDOW, 0, Folding(seed=100 * seed, folds=2, scheme="all")
    )
    tested = sample.take(rows)
    of_half = levels_of(tested, scores, np.zeros(len(rows), int))
    several = np.stack(levels[:PARTITIONS])
    together = searched(
        sample, several, shared_variance(sample.mass, several, [REGION], len(EFFICIENCIES))
    )
    every_z = [
        significance(together),
        significance(StatisticalStep.of(together.parts[:1])),
        significance(searched(sample, levels[PARTITIONS])),
        significance(searched(tested, of_half)),
    ]
    return [[round(z, 3) if np.isfinite(z) else None for z in of_way] for of_way in every_z]


def searched(sample: Sample, levels: np.ndarray, variance: np.ndarray | None = None) -> Any:
    """Take the statistical step of a search, of one partition into folds or of several."""
    edges, levels = subdivide(EDGES, 2), levels.reshape(-1, len(sample), 1)
    parts = [count_patterns(sample.mass, each, edges) for each in levels]
    return statistical_step(parts, [REGION], EFFICIENCIES, model=MODEL, variance=variance)


def significance(step: StatisticalStep) -> list[float]:
    """Return z of every selection; NaN where the fit did not converge."""
    z = np.where(step.scan.fits.converged[0], z_of_log_p(step.log_p), np.nan)
    return z[-len(EFFICIENCIES) :].tolist()


def file_of(folder: Path, events: int, features: int) -> Path:
    """Return the file of all datasets that were made with the settings of today."""
    key = json_digest([METHOD, asdict(MODEL), EFFICIENCIES, PARTITIONS], size=4)
    return folder / f"rare-{events}-{features}-{key}.jsonl"


def known(path: Path) -> dict[int, dict[str, Any]]:
    """Return the datasets that are there by their seeds; a line that was not finished is none."""
    return {each["seed"]: each for each in read_lines(path)}


def add(path: Path, seeds: range, *, events: int, features: int) -> None:
    """Make the datasets of these seeds that are not there."""
    there = known(path)
    with progress("datasets", len(seeds)) as advance:
        for seed in seeds:
            if seed not in there:
                start = time.process_time()
                z = significances(dataset(seed, events, features), seed)
                line = {"seed": seed, "z": z, "seconds": round(time.process_time() - start, 3)}
                add_line(path, line)
            advance(1)


def p_values(found: Mapping[int, dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return p by the way of training, (n_datasets, n_selections); 1 where none may be quoted."""
    z = np.array([each["z"] for each in found.values()], dtype=float)
    p = np.where(np.isnan(z), 1.0, p_of_z(np.nan_to_num(z)))
    return {way: p[:, i] for i, way in enumerate(WAYS)}


def show(p: Mapping[str, np.ndarray]) -> None:
    """Print how often each way of training reports a small p-value."""
    print(f"| selection | training | {' | '.join(f'α = {100 * a:g} %' for a in ALPHAS)} |")
    print("| --- " * (2 + len(ALPHAS)) + "|")
    for k, efficiency in enumerate(EFFICIENCIES):
        for way, values in p.items():
            shares = [share_below(values[:, k], alpha) for alpha in ALPHAS]
            cells = [f"{100 * f:.3g} ({100 * low:.2g}-{100 * high:.2g})" for f, low, high in shares]
            print(f"| {efficiency:g} | {way} | {' | '.join(cells)} |")


def plot(p: Mapping[str, np.ndarray], path: Path) -> None:
    """Draw how often a p-value is reported that is at most so large, over what it should be."""
    figure = Figure(figsize=(4.2 * len(EFFICIENCIES), 3.8), layout="constrained")
    panels = figure.subplots(1, len(EFFICIENCIES), sharey=True)
    grid = np.logspace(-4, 0, 81)
    for k, (panel, efficiency) in enumerate(zip(panels, EFFICIENCIES, strict=True)):
        for i, (way, values) in enumerate(p.items()):
            shares = np.array([share_below(values[:, k], alpha) for alpha in grid]) / grid[:, None]
            panel.plot(grid, np.where(shares[:, 0] > 0, shares[:, 0], np.nan), f"C{i}", label=way)
            panel.fill_between(grid, *shares[:, 1:].T, color=f"C{i}", alpha=0.2, linewidth=0)
        panel.axhline(1.0, color="k", linestyle=":", label="exact")
        panel.set(xscale="log", yscale="log", xlim=(1e-4, 1.0), ylim=(0.1, 10.0))
        panel.set(xlabel="reported local p", title=f"selection {efficiency:g}")
    panels[0].set(ylabel="true p / reported p")
    panels[-1].legend(fontsize="small")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Add datasets, and show all that are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--datasets", type=int, default=10_000, help="in all, from the first")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--features", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/rare"))
    parser.add_argument("--figures", type=Path, help="folder for the picture")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    path = file_of(asked.out, asked.events, asked.features)
    seeds = range(asked.first, asked.first + asked.datasets)
    add(path, seeds, events=asked.events, features=asked.features)
    found = known(path)
    if not found:
        parser.error(f"{path}: no datasets yet; ask for some")
    seconds = np.mean([each["seconds"] for each in found.values()])
    print(
        f"{len(found)} datasets of {asked.events} events, {asked.features} features, without signal, "
        f"{seconds:.2f} CPU-seconds each; how often [%] a p-value below α is reported (68 % interval)\n"
    )
    show(p_values(found))
    if asked.figures is not None:
        plot(p_values(found), asked.figures / "calibration_rare.png")


if __name__ == "__main__":
    main()
