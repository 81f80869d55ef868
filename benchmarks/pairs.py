"""Which methods fail differently: what they select of the background, and what a pair finds.

    python -P benchmarks/pairs.py [METHOD ...] [--seeds 1 2 3] [--events 20000] [--signal 200]

Each seed is other background of the reference sample, with so many events of the two-prong and as many of the three-prong
signal, cross-fitted in three folds in one window about 3500 GeV, truth unseen. First every method, the method `combination` of
all, and what its four rules make of the ranks in each fold: AUC and SIC at 1 % of background, for either signal. Then pairs: the
correlation of passing the cut at 1 % on the background (0: other events are taken for signal), and the SIC of the
better of both and of both by Fisher's rule, from the ranks in each fold. All numbers are means over the seeds, with the
standard deviation of one seed behind.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from overdensity.ml import Folding, Sample, Window, cross_fit, make_method, performance
from overdensity.ml.anomaly.combinations.combination import sideband_weights

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
FILES = ("rnd_background", "rnd_signal", "rnd_signal_3prong")
FEATURES = tuple(f"{jet}_{name}" for name in ("mass", "tau21", "tau32") for jet in ("j1", "j2"))
METHODS = ("mahalanobis", "pca", "autoencoder", "cwola")
EPS_B = 0.01
Array = NDArray[np.float64]


def events(seed: int, n: int, n_signal: int) -> Sample:
    """Return background with both signals; the label numbers them."""
    tables = [
        pq.read_table(REFERENCE / f"{name}.parquet", columns=["mjj", *FEATURES]) for name in FILES
    ]
    parts = []
    for table, many in zip(tables, (n, n_signal, n_signal), strict=True):
        rng = np.random.default_rng([29, seed, len(parts)])
        parts.append(table.take(rng.choice(len(table), many, replace=False)))
    columns = [
        np.concatenate([part[name].to_numpy() for part in parts]) for name in ("mjj", *FEATURES)
    ]
    label = np.repeat([0, 1, 2], [len(part) for part in parts])
    return Sample.from_arrays(columns[0], np.stack(columns[1:], axis=1), FEATURES, label=label)


def surprising(scores: NDArray[np.float32], fold: NDArray[np.int64]) -> Array:
    """Return -ln of the fraction of the fold with a larger score."""
    found = np.empty(scores.size)
    for each in np.unique(fold):
        members = fold == each
        n = np.count_nonzero(members)
        found[members] = -np.log((n + 0.5 - rankdata(scores[members])) / n)
    return found


def ruled(each: Array, mass: Array) -> dict[str, Array]:
    """Return what the rules make of the ranks of all methods, shape (n_methods, n_events)."""
    outside = ~WINDOW.signal(mass)
    return {
        "ranks, rank_average": np.mean(1 - np.exp(-each), axis=0),
        "ranks, fisher": each.mean(axis=0),
        "ranks, maximum": each.max(axis=0),
        "ranks, sideband_weighted": sideband_weights(each[:, outside], mass[outside]) @ each,
    }


def judged(scores: Array, label: NDArray[np.integer]) -> list[float]:
    """Return AUC and SIC of both signals."""
    found: list[float] = []
    for kind in (1, 2):
        used = (label == 0) | (label == kind)
        said = performance(scores[used], (label[used] > 0).astype(int), eps_b=(EPS_B,))
        found += [said.auc, said.sic[0].sic]
    return found


def row(name: str, several: list[list[float]], digits: tuple[int, ...]) -> str:
    """Return a line of Markdown."""
    mean, spread = np.mean(several, axis=0), np.std(several, axis=0, ddof=min(1, len(several) - 1))
    cells = [f"{m:.{n}f} ± {s:.{n}f}" for m, s, n in zip(mean, spread, digits, strict=True)]
    return f"| {name} | {' | '.join(cells)} |"


def pair(one: Array, other: Array, label: NDArray[np.integer]) -> list[float]:
    """Return the correlation of passing on background, and the SIC of the better and of both."""
    background = label == 0
    passed = [each[background] >= np.quantile(each[background], 1 - EPS_B) for each in (one, other)]
    correlation = float(np.corrcoef(np.stack(passed))[0, 1])
    alone, both = [judged(each, label) for each in (one, other)], judged(one + other, label)
    better = np.max(alone, axis=0)
    return [correlation, float(better[1]), both[1], float(better[3]), both[3]]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--signal", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    alone: dict[str, list[list[float]]] = {}
    pairs: dict[str, list[list[float]]] = {}
    for seed in given.seeds:
        data, folding = events(seed, given.events, given.signal), Folding(seed=seed, folds=3)
        assert data.label is not None
        shown = data.without_label()
        made: dict[str, Any] = {name: make_method(name) for name in given.methods}
        made["combination"] = make_method("combination", of=given.methods)
        found = {name: cross_fit(method, shown, WINDOW, folding) for name, method in made.items()}
        ranks = {name: surprising(each, folding.of(data.event)) for name, each in found.items()}
        ranks |= ruled(np.stack([ranks[name] for name in given.methods]), data.mass)
        for name, each in ranks.items():
            alone.setdefault(name, []).append(judged(each, data.label))
        for one, other in combinations(given.methods, 2):
            pairs.setdefault(f"{one}, {other}", []).append(
                pair(ranks[one], ranks[other], data.label)
            )
    print("| method | AUC, two-prong | SIC(1 %) | AUC, three-prong | SIC(1 %) |")
    print("|" + " --- |" * 5)
    for name, several in alone.items():
        print(row(name, several, (3, 2, 3, 2)))
    print()
    print(
        "| pair | correlation of passing | two-prong, SIC of the better | of both | three-prong, SIC of the better | of both |"
    )
    print("|" + " --- |" * 6)
    for name, several in pairs.items():
        print(row(name, several, (2, 2, 2, 2, 2)))


if __name__ == "__main__":
    main()
