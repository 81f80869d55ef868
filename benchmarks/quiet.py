"""Whole searches with any method in boxes without signal: global p-values.

    python -P benchmarks/quiet.py METHOD [METHOD ...] [--seeds 1 2 3 4 5] [--windows 10]
                                  [--events 40000] [--folds 7] [--features NAME ...] [--count]

Each box is random background events of the reference sample, searched as `overdensity run`
does by default, with the method's defaults; simulation is that of another shower. With fewer than
10 windows the scan ends at a lower mass. Without signal the p-values are uniform. With --count a
row says how many boxes are above 0.05, and whether all together are compatible with uniform ones.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import kstest

from overdensity.ml import make_method
from overdensity.workflow import SearchResults, parse_config, run_search

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
LOW, HIGH, BINS = 2632.0, 6000.0, 16  # of the default scan, in GeV
BESIDE = 6  # bins of a scan that are no center of a window


def search(method: str, seed: int, arguments: argparse.Namespace, folder: Path) -> SearchResults:
    """Search one box."""
    bins = arguments.windows + BESIDE
    simulated = "simulation" in make_method(method).needs
    background = pq.read_table(REFERENCE / "rnd_background.parquet")
    rows = np.random.default_rng([7, seed]).choice(len(background), arguments.events, replace=False)
    box = folder / "box.parquet"
    pq.write_table(background.take(rows), box)
    chosen = {"features": arguments.features} if arguments.features else {}
    return run_search(
        parse_config(
            chosen
            | {
                "events": {"format": "columns", "files": [str(box)]},
                "seed": seed,
                "out": str(folder / "out"),
                "method": {"name": method},
                "repeats": 1,
                "folds": arguments.folds,
                "scan": {"low": LOW, "high": LOW * (HIGH / LOW) ** (bins / BINS), "bins": bins},
                "simulation": [str(REFERENCE / "other_shower_background.parquet")] * simulated,
                "cluster": {"kind": "threads", "workers": 1},
            }
        )
    )


def main() -> None:
    """Print a row a method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--windows", type=int, default=BINS - BESIDE)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--folds", type=int, default=7)
    parser.add_argument("--features", nargs="+", help="by default those of the search")
    parser.add_argument("--count", action="store_true")
    arguments = parser.parse_args()
    boxes = [f"box {seed}" for seed in arguments.seeds]
    if arguments.count:
        boxes = ["boxes", "p_global > 0.05", "smallest", "median", "KS p of uniform"]
    print(f"| method | {' | '.join(boxes)} |")
    print(f"|{' --- |' * (1 + len(boxes))}")
    for method in arguments.methods:
        found = []
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                best = search(method, seed, arguments, Path(folder)).best
            found.append(np.nan if best is None else best.p_global)
        cells = ["nothing to fit" if np.isnan(p) else f"{p:.2g}" for p in found]
        if arguments.count:
            cells = counted(np.array(found))
        print(f"| `{method}` | {' | '.join(cells)} |", flush=True)


def counted(found: NDArray[np.float64]) -> list[str]:
    """Return the cells that say how p-values of boxes are distributed."""
    known = found[~np.isnan(found)]
    return [
        str(len(known)),
        str(np.count_nonzero(known > 0.05)),
        f"{known.min():.2g}",
        f"{np.median(known):.2g}",
        f"{kstest(known, 'uniform').pvalue:.2g}",
    ]


if __name__ == "__main__":
    main()
