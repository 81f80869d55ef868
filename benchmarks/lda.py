"""Latent Dirichlet allocation on declusterings: with 5 % of signal, and on background alone.

    overdensity process ../shared/data/reference/rnd_events_13k.h5 --features mass_plane,lund_plane --out runs/rnd_planes
    python -P benchmarks/lda.py [BASIS ...] [--columns runs/rnd_planes/columns] [--seeds 1 2 3 4 5] [--choose]

Three quarters of the background of the reference events and as much signal as is said are learnt, whatever
their mass; the rest is scored. Without signal the score is still measured on signal events. The last columns
are those of a search of background alone: how many of ten divisions into three folds have more than 2 and 3
standard deviations of excess in the signal region, of the 5 % with the largest scores.
With --choose the perplexity chooses among three pairs of concentrations, and no background is searched.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overdensity.ml import Folding, Sample, Window, cross_fit, make_method, performance
from overdensity.stats.selection.conformal import conformal_p

WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
FRACTIONS = (0.05, 0.0)
DIVISIONS, EFFICIENCY = 10, 0.05
CHOICE = [[0.9, 0.1], [0.99, 0.01], [0.5, 0.5]]


def read(columns: Path, basis: str) -> Sample:
    """Return the events with the planes of one basis."""
    names = [f"{jet}_{name}" for name in ("mass", basis) for jet in ("j1", "j2")]
    return Sample.from_parquet(columns, features=names)


def measure(
    events: Sample, fraction: float, seed: int, alphas: dict[str, list[list[float]]]
) -> list[float]:
    """Return AUC and SIC(1 %) of events that are not learnt, and the share of the signal's theme."""
    rng, label = np.random.default_rng([13, seed]), events.label
    assert label is not None  # the files have it
    background, signal = (rng.permutation(np.flatnonzero(label == kind)) for kind in (0, 1))
    n = 3 * len(background) // 4
    n_signal = round(n * fraction / (1 - fraction))
    method = make_method("lda", region="all", **alphas)
    shown = method.shown(events)
    method.fit(shown.take(np.r_[background[:n], signal[:n_signal]]), WINDOW, seed=seed)
    test = np.r_[background[n:], signal[n_signal:]]
    found = performance(method.score(shown.take(test)), label[test], eps_b=(0.01,))
    return [found.auc, found.sic[0].sic, float(method.arrays()["shares"].min())]


def excess(events: Sample, seed: int) -> float:
    """Return the excess of selected background in the signal region, in standard deviations."""
    folding = Folding(seed=seed, folds=3, scheme="all")
    method = make_method("lda", region="all")
    scores = cross_fit(method, events, WINDOW, folding)
    p = conformal_p(scores, events.mass, folding.of(events.event), window=(WINDOW.low, WINDOW.high))
    inside = WINDOW.signal(events.mass)
    expected = EFFICIENCY * np.count_nonzero(inside)
    beside = np.count_nonzero(inside) / np.count_nonzero(~inside)
    found = np.count_nonzero(p[inside] <= EFFICIENCY)
    return float((found - expected) / np.sqrt(expected * (1 + beside)))


def cell(values: NDArray[np.float64], digits: int) -> str:
    """Return median, smallest and largest of the seeds."""
    median, least, largest = np.median(values), values.min(), values.max()
    return f"{median:.{digits}f} ({least:.{digits}f} to {largest:.{digits}f})"


def main() -> None:
    """Print a row for each basis and fraction."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--columns", type=Path, default=Path("runs/rnd_planes/columns"))
    parser.add_argument("bases", nargs="*", metavar="BASIS", default=["mass_plane", "lund_plane"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    alphas = {"alphas": CHOICE} if given.choose else {}
    heads = ["basis", "signal", "AUC", "SIC(1 %)", "share of the theme"]
    heads += ["above 2σ", "above 3σ"] * (not given.choose)
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for basis in given.bases:
        events = read(given.columns, basis)
        for fraction in FRACTIONS:
            found = np.array([measure(events, fraction, seed, alphas) for seed in given.seeds])
            cells = [cell(column, n) for column, n in zip(found.T, (3, 1, 3), strict=True)]
            if not fraction and not given.choose:
                only = events.take(np.flatnonzero(events.label == 0))
                z = np.array([excess(only, seed) for seed in range(DIVISIONS)])
                cells += [f"{np.count_nonzero(z > least)} of {len(z)}" for least in (2, 3)]
            row = " | ".join(cells + [""] * (len(heads) - 2 - len(cells)))
            print(f"| {basis} | {100 * fraction:g} % | {row} |", flush=True)


if __name__ == "__main__":
    main()
