"""Scores that know the mass: does the search invent a resonance? Prints Markdown.

python -P benchmarks/sculpting.py --figures docs/figures     # 4 x 25 datasets without signal
python -P benchmarks/sculpting.py --signal 20                # and 20 with signal, no sculpting
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from overdensity.stats import (
    fabricated_excess,
    hunt,
    log_edges,
    refuse_fabricated,
    selection_levels,
    subdivide,
)
from overdensity.stats.p_values.local import local_log_p, z_of_log_p
from overdensity.stats.selection.conformal import conformal_p
from overdensity.stats.spectra.batch_fit import fit_free
from overdensity.stats.spectra.functions import basis

EDGES = log_edges(2632.0, 6000.0, 16)
FINE = subdivide(EDGES, 2)
WINDOWS = np.array([(EDGES[i], EDGES[i + 3]) for i in range(2, 12)])
EFFICIENCIES = (0.1, 0.01, 0.002)
FOLDS, EVENTS, TOYS, MASS = 7, 30_000, 500, 3500.0

Shape = Callable[[np.ndarray, float], np.ndarray]
SHAPES: dict[str, Shape] = {  # of ln m, with the center of the window; each rises by about one
    "monotone": lambda x, center: (x - center) / 0.25,
    "parabola": lambda x, center: -(((x - center) / 0.25) ** 2),
    "a bump at 3.5 TeV": lambda x, _: np.exp(-0.5 * ((x - np.log(MASS)) / 0.05) ** 2),
    "a bump in each window": lambda x, center: np.exp(-0.5 * ((x - center) / 0.05) ** 2),
    "a step at 3.5 TeV": lambda x, _: (x > np.log(MASS)).astype(float),
}


def make_box(seed: int, shape: Shape | None, *, strength: float = 0.0, n_signal: int = 0):
    """Draw masses, folds and one score a window: noise, half of it shared, plus a shape."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(EDGES[0], EDGES[-1], 20_001)
    y = (grid[1:] + grid[:-1]) / 2 / 13e3
    cdf = np.concatenate([[0], np.cumsum((1 - y) ** 4 / y**3)])
    mass = np.interp(rng.random(rng.poisson(EVENTS)) * cdf[-1], cdf, grid)
    mass = np.concatenate([mass, rng.normal(MASS, 0.04 * MASS, n_signal)])
    shared, own = rng.normal(size=(mass.size, 1)), rng.normal(size=(mass.size, len(WINDOWS)))
    scores = np.sqrt(0.5) * (shared + own)
    if shape is not None:
        centers = np.log(WINDOWS).mean(axis=1)
        scores += strength * np.stack([shape(np.log(mass), each) for each in centers], axis=1)
    scores[mass.size - n_signal :] += 3.0
    return mass, scores, rng.integers(0, FOLDS, mass.size)


def calibrated(mass: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return minus the conformal p-values."""
    columns = zip(scores.T, WINDOWS, strict=True)
    return -np.stack([conformal_p(s, mass, folds, window=(a, b)) for s, (a, b) in columns], axis=1)


def searched(mass, scores, folds, refused: np.ndarray | None, seed: int) -> tuple[float, float]:
    """Return largest local z and p_global of the search, refused selections not counted."""
    result = hunt(
        mass,
        np.stack([selection_levels(s, folds, EFFICIENCIES) for s in scores.T], axis=1),
        edges=EDGES,
        windows=WINDOWS,
        efficiencies=EFFICIENCIES,
        refused=refused,
        pseudo_experiments=TOYS,
        seed=seed,
    )
    if result.best is None or result.global_p is None:
        return -np.inf, 1.0
    return result.best.z_local, result.global_p.p_global


def protected(
    mass: np.ndarray, scores: np.ndarray, folds: np.ndarray, seed: int
) -> tuple[float, float, np.ndarray]:
    """Return largest local z and p_global of the calibrated search, and what it refuses."""
    flat = calibrated(mass, scores, folds)
    judged = refuse_fabricated(
        fabricated_excess(flat, mass, folds, edges=FINE, windows=WINDOWS, efficiencies=EFFICIENCIES)
    )
    return *searched(mass, flat, folds, judged.refused, seed), judged.refused


def unprotected(mass: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> float:
    """Return the largest local z of the plain chain.

    Thresholds are quantiles of the raw scores in the sidebands of each fold; the selected spectrum
    is fitted with the published four parameters, free, outside the signal region; no goodness of
    fit is asked for.
    """
    model, largest = basis("dijet4", FINE), -np.inf
    centers = (FINE[1:] + FINE[:-1]) / 2
    for column, (low, high) in zip(scores.T, WINDOWS, strict=True):
        beside = (mass < low) | (mass >= high)
        signal = ((centers > low) & (centers < high))[None]
        for efficiency in EFFICIENCIES:
            passed = np.zeros(mass.size, dtype=bool)
            for fold in range(FOLDS):
                cut = np.quantile(column[beside & (folds == fold)], 1 - efficiency)
                passed |= (folds == fold) & (column > cut)
            counts = np.histogram(mass[passed], FINE)[0]
            fits = fit_free(model, counts, signal)
            if fits.converged[0, 0]:
                observed = counts[signal[0]].sum()
                log_p = local_log_p(observed, fits.expected[0, 0], fits.error[0, 0])
                largest = max(largest, float(z_of_log_p(log_p)))
    return largest


def background(datasets: int, figures: Path | None) -> None:
    """Print what three chains make of sculpted scores without signal."""
    print(
        f"| {datasets} datasets without signal each | unprotected: median z | largest z | "
        "fit as published here: p_global > 0.05 | protected: p_global > 0.05 | p_global ≤ 0.001 | "
        "with a refusal | largest z |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    found = {}
    for number, (name, shape) in enumerate(SHAPES.items()):
        rows = []
        for index in range(datasets):
            seed = 1000 * number + index
            strength = 0.2 * 15 ** np.random.default_rng(seed).random()
            mass, scores, folds = make_box(seed, shape, strength=strength)
            plain = unprotected(mass, scores, folds)
            fitted = searched(mass, scores, folds, None, seed)
            *kept, refused = protected(mass, scores, folds, seed)
            rows.append((strength, plain, *fitted, *kept, refused.any()))
        table = np.array(rows, dtype=float)
        found[name] = table
        print(
            f"| {name} | {np.median(table[:, 1]):.1f} | {table[:, 1].max():.1f} | "
            f"{(table[:, 3] > 0.05).sum()} | {(table[:, 5] > 0.05).sum()} | "
            f"{(table[:, 5] <= 0.001).sum()} | {table[:, 6].sum():.0f} | {largest(table)} |",
            flush=True,
        )
    total = np.concatenate(list(found.values()))
    print(
        f"| all | {np.median(total[:, 1]):.1f} | {total[:, 1].max():.1f} | "
        f"{(total[:, 3] > 0.05).sum()} | {(total[:, 5] > 0.05).sum()} | {(total[:, 5] <= 0.001).sum()} | "
        f"{total[:, 6].sum():.0f} | {largest(total)} |"
    )
    if figures is not None:
        draw(found, figures)


def largest(table: np.ndarray) -> str:
    """Return the largest significance that may be quoted."""
    found = table[:, 4].max()
    return f"{found:.1f}" if np.isfinite(found) else "none quoted"


def draw(found: dict[str, np.ndarray], figures: Path) -> None:
    """Draw the largest z of each dataset against the strength of the sculpting."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(12, 3.4), sharey=True)
    for ax, (name, table) in zip(axes, found.items(), strict=True):
        ax.plot(table[:, 0], table[:, 1], "v", color="C3", ms=4, label="unprotected")
        ax.plot(
            table[:, 0],
            np.maximum(table[:, 4], -0.5),
            "o",
            color="C0",
            ms=4,
            label="protected (lowest: all refused)",
        )
        ax.set_xscale("log")
        ax.set_xticks([0.2, 0.5, 1, 2], labels=["0.2", "0.5", "1", "2"])
        ax.minorticks_off()
        ax.set_yscale("symlog", linthresh=5)
        ax.set_yticks([0, 2, 4, 10, 20, 40], labels=["0", "2", "4", "10", "20", "40"])
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("strength / noise")
    axes[0].set_ylabel("largest local z, no signal")
    axes[0].legend(fontsize=8, frameon=False, loc="upper left")
    figure.tight_layout()
    figure.savefig(figures / "sculpting.png", dpi=110)
    plt.close(figure)


def signals(datasets: int) -> None:
    """Print the significance of a real signal with and without protection."""
    print(
        f"\n| signal events in {EVENTS:,}, {datasets} datasets | median z, plain selection | "
        "calibrated | both: p_global < 0.01 | refusals near the signal |\n"
        "| --- | --- | --- | --- | --- |"
    )
    near = (WINDOWS[:, 0] < MASS) & (WINDOWS[:, 1] > MASS)
    for n_signal in (60, 100, 300):
        rows = []
        for seed in range(datasets):
            mass, scores, folds = make_box(50_000 + seed, None, n_signal=n_signal)
            inside = (mass >= EDGES[0]) & (mass < EDGES[-1])
            mass, scores, folds = mass[inside], scores[inside], folds[inside]
            plain = searched(mass, scores, folds, None, seed)
            *kept, refused = protected(mass, scores, folds, seed)
            rows.append((*plain, *kept, refused[near].sum()))
        table = np.array(rows)
        print(
            f"| {n_signal} | {np.median(table[:, 0]):.2f} | {np.median(table[:, 2]):.2f} | "
            f"{(table[:, 1] < 0.01).sum()}, {(table[:, 3] < 0.01).sum()} | {table[:, 4].sum():.0f} |",
            flush=True,
        )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--datasets", type=int, default=25, help="for each shape")
    parser.add_argument("--signal", type=int, default=0, help="datasets with signal")
    parser.add_argument("--figures", type=Path, help="folder for the figure")
    arguments = parser.parse_args()
    if arguments.datasets:
        background(arguments.datasets, arguments.figures)
    if arguments.signal:
        signals(arguments.signal)


if __name__ == "__main__":
    main()
