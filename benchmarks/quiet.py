"""Whole searches with any method in boxes with or without signal: how quiet, and what is found.

    python -P benchmarks/quiet.py METHOD [METHOD ...] [--seeds 1 2 3 4 5] [--windows 10]
                                  [--events 40000] [--folds 7] [--features NAME ...] [--count]
                                  [--set KEY=VALUE ...] [--keep FOLDER] [--columns FOLDER]
    python -P benchmarks/quiet.py METHOD [METHOD ...] --signals two-prong three-prong NAME=FILE [--strengths 25 50 100 200 400]

Each box is random background events of the reference sample, searched as `overdensity run`
does by default, with the method's defaults; simulation is that of another shower. With fewer than
10 windows the scan ends at a lower mass. Without signal the p-values are uniform. With --count a
row says how many boxes are above 0.05, and whether all together are compatible with uniform ones; the last row, of
all methods, whether 5 % of all searches are at most 0.05 (binomial). With --signals, so many events of a signal are
added to each box (of the reference sample by their names, of any Parquet file with the same columns by NAME=FILE), and a
row says from how many on the median of the global significance reaches 3, with it and each larger of the strengths, and
the median there: ∞ where the largest does not, and the median with that. The largest is searched first, and no smaller
one than fails.
With --columns the events are those of a folder of processed ones, whose label says which are background, for methods that
need more than the reference sample has (--features names them); boxes are then disjoint.
With --keep each search leaves a file in the folder, and a study that was stopped goes on; a row then says what CPU
time the searches took when they were made, training and fits together.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import binomtest, kstest

from overdensity.core.identity import hex_digest
from overdensity.ml import make_method
from overdensity.workflow import SearchResults, parse_config, run_search

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
LOW, HIGH, BINS = 2632.0, 6000.0, 16  # of the default scan, in GeV
BESIDE = 6  # bins of a scan that are no center of a window
SIGNALS = {"two-prong": "rnd_signal", "three-prong": "rnd_signal_3prong"}
LEVEL, NEEDED = 0.05, 3.0


@cache
def pool(path: Path, label: int, features: tuple[str, ...]) -> pa.Table:
    """Return the events of one label, which are read once; of columns of lists those that are features."""
    schema = pq.ParquetDataset(path).schema
    flat = {field.name for field in schema if not pa.types.is_nested(field.type)}
    events = pq.read_table(path, columns=[n for n in schema.names if n in flat.union(features)])
    return events.filter(pc.field("label") == label).replace_schema_metadata()


def background_of(seed: int, arguments: argparse.Namespace) -> pa.Table:
    """Return random background: of the reference sample, or a part of processed events that no other seed has."""
    n, features = arguments.events, tuple(arguments.features or ())
    if not arguments.columns:
        background = pool(REFERENCE / "rnd_background.parquet", 0, features)
        return background.take(
            np.random.default_rng([7, seed]).choice(len(background), n, replace=False)
        )
    background = pool(arguments.columns, 0, features)
    rows = np.random.default_rng(7).permutation(len(background))[(seed - 1) * n : seed * n]
    if len(rows) < n:
        msg = f"{arguments.columns}: {len(background)} events of background, too few for box {seed} of {n} events"
        raise SystemExit(msg)
    return background.take(rows)


def box_of(
    seed: int, arguments: argparse.Namespace, signal: Path | None, n_signal: int
) -> pa.Table:
    """Return random background, and so many random events of a signal."""
    background = background_of(seed, arguments)
    if signal is None:
        return background
    events = pool(signal, 1, tuple(arguments.features or ())).select(background.column_names)
    added = np.random.default_rng([11, seed]).choice(len(events), n_signal, replace=False)
    return pa.concat_tables([background, events.take(added).cast(background.schema)])


def search(
    method: str,
    seed: int,
    arguments: argparse.Namespace,
    folder: Path,
    *,
    signal: Path | None = None,
    n_signal: int = 0,
) -> SearchResults:
    """Search one box."""
    bins = arguments.windows + BESIDE
    simulated = "simulation" in make_method(method).needs
    box = folder / "box.parquet"
    pq.write_table(box_of(seed, arguments, signal, n_signal), box)
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
            },
            overrides=arguments.set,
        )
    )


def found(
    method: str,
    seed: int,
    arguments: argparse.Namespace,
    *,
    signal: Path | None = None,
    n_signal: int = 0,
) -> tuple[float, float, float]:
    """Return global p-value and significance of one box, NaN without a result, and CPU seconds; kept ones are read."""
    settings = [arguments.windows, arguments.events, arguments.folds]
    settings += [arguments.features, arguments.set, str(signal), n_signal]
    settings += [str(arguments.columns)] * bool(arguments.columns)
    key = hex_digest(json.dumps(settings).encode())
    kept = arguments.keep and arguments.keep / f"{method}-{seed}-{key}.json"
    if kept and kept.is_file():
        return tuple(json.loads(kept.read_text("utf-8")))
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        best = search(
            *(method, seed, arguments, Path(folder)), signal=signal, n_signal=n_signal
        ).best
    p, z = (math.nan, math.nan) if best is None else (best.p_global, best.z_global)
    result = (p, z, time.process_time() - began)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(result), "utf-8")
    return result


def counted(found_in: NDArray[np.float64]) -> list[str]:
    """Return the cells that say how p-values of boxes are distributed, shape (n_boxes, 3), and what they cost."""
    known = found_in[~np.isnan(found_in[:, 0]), 0]
    return [
        str(len(known)),
        str(np.count_nonzero(known > LEVEL)),
        f"{known.min():.2g}",
        f"{np.median(known):.2g}",
        f"{kstest(known, 'uniform').pvalue:.2g}",
        f"{np.median(found_in[:, 2]):.0f}",
    ]


def quiet(arguments: argparse.Namespace) -> None:
    """Print a row a method, of boxes without signal."""
    boxes = [f"box {seed}" for seed in arguments.seeds]
    if arguments.count:
        boxes = ["boxes", "p_global > 0.05", "smallest", "median", "KS p of uniform", "CPU s a box"]
    print(f"| method | {' | '.join(boxes)} |")
    print(f"|{' --- |' * (1 + len(boxes))}")
    together: list[tuple[float, float, float]] = []
    for method in arguments.methods:
        of_boxes = [found(method, seed, arguments) for seed in arguments.seeds]
        together += [each for each in of_boxes if not math.isnan(each[0])]
        cells = ["nothing to fit" if math.isnan(p) else f"{p:.2g}" for p, *_ in of_boxes]
        if arguments.count:
            cells = counted(np.array(of_boxes))
        print(f"| `{method}` | {' | '.join(cells)} |", flush=True)
    if arguments.count and len(arguments.methods) > 1:
        claimed = sum(p <= LEVEL for p, *_ in together)
        pooled = binomtest(claimed, len(together), LEVEL, alternative="greater").pvalue
        print(f"| all, binomial p {pooled:.2g} | {' | '.join(counted(np.array(together)))} |")


def from_which_on(method: str, path: Path, arguments: argparse.Namespace) -> str:
    """Return the smallest strength such that it and all larger ones are found, with the median significance."""
    cell = ""
    for n in sorted(arguments.strengths, reverse=True):
        z = [found(method, seed, arguments, signal=path, n_signal=n)[1] for seed in arguments.seeds]
        median = float(np.median(np.nan_to_num(z)))
        if median < NEEDED:
            return cell or f"∞ ({median:.1f}σ with {n})"
        cell = f"{n} ({median:.1f}σ)"
    return cell


def strengths(arguments: argparse.Namespace) -> None:
    """Print a row a method: events from which each signal reaches 3σ in the median of the boxes."""
    signals = {}
    for given in arguments.signals:
        name, _, path = given.partition("=")
        signals[name] = Path(path) if path else REFERENCE / f"{SIGNALS[name]}.parquet"
    print(f"| method | {' | '.join(f'{name}, events for 3σ' for name in signals)} |")
    print(f"|{' --- |' * (1 + len(signals))}")
    for method in arguments.methods:
        cells = [from_which_on(method, path, arguments) for path in signals.values()]
        print(f"| `{method}` | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--windows", type=int, default=BINS - BESIDE)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--folds", type=int, default=7)
    parser.add_argument("--features", nargs="+", help="by default those of the search")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--set", nargs="+", default=[], help="further keys of the search")
    parser.add_argument("--columns", type=Path, help="processed events in place of the reference")
    parser.add_argument("--keep", type=Path, help="folder of finished searches")
    parser.add_argument("--signals", nargs="+", metavar="NAME")
    parser.add_argument("--strengths", type=int, nargs="+", default=[25, 50, 100, 200, 400, 800])
    arguments = parser.parse_args()
    if arguments.signals:
        strengths(arguments)
    else:
        quiet(arguments)


if __name__ == "__main__":
    main()
