"""What folds that learn from each other do to the global p-value of whole searches; prints Markdown.

python -P benchmarks/folds.py --datasets 400        # those missing are made, 0.3 CPU-seconds each
python -P benchmarks/folds.py --datasets 0          # the table of all that are there

Datasets of 10 000 events without signal, whose one feature is one of 100 cells and knows nothing of the mass. The
classifier is the hardest case: the ratio of signal region to sidebands in each cell follows every
fluctuation, which a real one is kept from. It is trained anew in each of ten windows and every fold; selections of
10 and 1 %, `dijet3`, 250 pseudo-experiments, one partition into folds. Seeds are 0, 1, 2, …; a p-value is a
line in a file of ``--out``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from overdensity.core import progress
from overdensity.core.json_lines import add_line, read_lines
from overdensity.ml import (
    Folding,
    Method,
    Sample,
    Window,
    fold_of,
    scan_edges,
    scan_windows,
    score_fold,
)
from overdensity.stats import FitModel, hunt, selection_levels
from overdensity.stats.p_values.shares import share_below

EVENTS, CELLS = 10_000, 100
SELECTIONS = (0.1, 0.01)
SCHEMES = {"tournament, 7 folds": (7, "tournament"), "all others, 5 folds (published)": (5, "all")}
ALPHAS = (0.3, 0.1, 0.05, 0.01)


@dataclass(frozen=True)
class NoHyper:
    """Nothing to be chosen."""


class CellRatio(Method[NoHyper]):
    """CWoLa with the quickest classifier there is: signal region over sidebands, in cells."""

    name = "cell_ratio"
    source = "this benchmark"
    Hyper = NoHyper

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> CellRatio:
        """Count events of signal region and sidebands in the cells."""
        del simulation, seed
        cell = data.features[:, 0].astype(int)
        side = window.lower(data.mass) | window.upper(data.mass)
        region = np.bincount(cell[window.signal(data.mass)], minlength=CELLS)
        self.ratio = (region + 1) / (np.bincount(cell[side], minlength=CELLS) + 2)
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the ratio in the cell of each event."""
        return self.ratio[data.features[:, 0].astype(int)].astype(np.float32)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return what was learnt."""
        return {"ratio": self.ratio}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        """Take what was learnt."""
        self.ratio = arrays["ratio"]


def p_global(seed: int, *, folds: int, scheme: str) -> float:
    """Search a dataset; without anything to quote its p-value is 1."""
    rng = np.random.default_rng(seed)
    edges = scan_edges()
    power = -5.0  # dN/dm ~ m^-6
    ends = edges[[0, -1]] ** power
    mass = (ends[0] + rng.uniform(size=EVENTS) * (ends[1] - ends[0])) ** (1 / power)
    cell = rng.integers(0, CELLS, EVENTS)
    ids = rng.integers(0, 2**63, EVENTS, dtype=np.uint64)
    sample = Sample.from_arrays(mass, cell[:, None], ["cell"], event=ids)
    fold = fold_of(ids, folds, seed=seed)
    windows = scan_windows()

    def levels(window: Window) -> NDArray[np.int8]:
        scores = np.empty(EVENTS, np.float32)
        for each in range(folds):
            rows, found = score_fold(
                CellRatio(), sample, window, each, Folding(seed=seed, folds=folds, scheme=scheme)
            )
            scores[rows] = found
        return selection_levels(scores, fold, SELECTIONS, events=ids)

    result = hunt(
        mass,
        np.stack([levels(window) for window in windows], axis=1),
        edges=edges,
        windows=[(window.low, window.high) for window in windows],
        efficiencies=SELECTIONS,
        model=FitModel("dijet3"),
        pseudo_experiments=250,
        seed=seed,
    )
    return 1.0 if result.global_p is None else result.global_p.p_global


def known(path: Path) -> dict[str, dict[int, float]]:
    """Return the p-values that are there, by scheme and seed."""
    found: dict[str, dict[int, float]] = {name: {} for name in SCHEMES}
    for line in read_lines(path):
        found[line["scheme"]][line["seed"]] = line["p"]
    return found


def add(path: Path, datasets: int) -> None:
    """Make the p-values that are missing, a quarter as many of the published scheme."""
    there = known(path)
    for name, (folds, scheme) in SCHEMES.items():
        seeds = range(datasets if scheme == "tournament" else datasets // 4)
        missing = [seed for seed in seeds if seed not in there[name]]
        with progress(name, len(missing)) as advance:
            for seed in missing:
                p = p_global(seed, folds=folds, scheme=scheme)
                add_line(path, {"scheme": name, "seed": seed, "p": p})
                advance(1)


def row(name: str, p: Sequence[float]) -> str:
    """Return a row of the table."""
    shares = [share_below(p, alpha).in_per_cent() for alpha in ALPHAS]
    return f"| {name} | {len(p)} | {' | '.join(shares)} | {kstest(p, 'uniform').pvalue:.2g} |"


def main() -> None:
    """Add what is asked for, and show all that is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--datasets", type=int, default=0, help="of the tournament")
    parser.add_argument("--out", type=Path, default=Path("runs/folds"))
    asked = parser.parse_args()
    path = asked.out / "p_global.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    add(path, asked.datasets)
    below = " | ".join(f"below {alpha:g} [%]" for alpha in ALPHAS)
    print(f"| models of a fold learn from | datasets | {below} | KS p |\n{'| --- ' * 7}|")
    for name, found in known(path).items():
        if found:
            print(row(name, list(found.values())))


if __name__ == "__main__":
    main()
