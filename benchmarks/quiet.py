"""Whole searches with any method in boxes without signal: global p-values.

    python -P benchmarks/quiet.py METHOD [METHOD ...] [--seeds 1 2 3 4 5] [--windows 10]

Each box is 40 000 random background events of the reference sample, searched as `overdensity run`
does by default, with the method's defaults; simulation is that of another shower. With fewer than
10 windows the scan ends at a lower mass. Without signal the p-values are uniform.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from overdensity.ml import make_method
from overdensity.workflow import SearchResults, parse_config, run_search

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
EVENTS = 40_000
LOW, HIGH, BINS = 2632.0, 6000.0, 16  # of the default scan, in GeV
BESIDE = 6  # bins of a scan that are no center of a window


def search(method: str, seed: int, windows: int, folder: Path) -> SearchResults:
    """Search one box."""
    bins = windows + BESIDE
    simulated = "simulation" in make_method(method).needs
    background = pq.read_table(REFERENCE / "rnd_background.parquet")
    rows = np.random.default_rng([7, seed]).choice(len(background), EVENTS, replace=False)
    box = folder / "box.parquet"
    pq.write_table(background.take(rows), box)
    return run_search(
        parse_config(
            {
                "events": {"format": "columns", "files": [str(box)]},
                "seed": seed,
                "out": str(folder / "out"),
                "method": {"name": method},
                "repeats": 1,
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
    arguments = parser.parse_args()
    print(f"| method | {' | '.join(f'box {seed}' for seed in arguments.seeds)} |")
    print(f"|{' --- |' * (1 + len(arguments.seeds))}")
    for method in arguments.methods:
        cells = []
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                best = search(method, seed, arguments.windows, Path(folder)).best
            cells.append("nothing to fit" if best is None else f"{best.p_global:.2g}")
        print(f"| `{method}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
