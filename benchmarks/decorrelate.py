"""Features that follow the mass, as they are and decorrelated: what a search quotes. Prints Markdown.

    python -P benchmarks/decorrelate.py --out runs/decorrelate [--boxes 10] [--events 50000]
                                        [--mass mjj|mjjj] [--signal 0 150 300] [--by quantiles|flow]

Boxes of the reference sample (different events in each), searched three times in ten windows:
`plain` with the baseline features; `added` with |Δη| (mass mjj), or |Δη| and the three Dalitz
variables (mass mjjj), beside them; `decorrelated` with the same under ``decorrelate:``. Each search
leaves its result in the folder and is not done again, so that the study can be interrupted, and
several runs add up.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import kstest

from overdensity.core.progress_bar import set_quiet
from overdensity.workflow import parse_config, run_search

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
BASE = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
ADDED = {"mjj": ("delta_eta",), "mjjj": ("delta_eta", "dalitz_low", "dalitz_mid", "dalitz_high")}
KINDS = ("plain", "added", "decorrelated")
LOW, HIGH = 2632.0, 6000.0

Array = NDArray[np.float64]


def columns_of(name: str) -> dict[str, Array]:
    """Return the features of a file of the reference sample, and both masses (GeV)."""
    names = [f"j{i}_{k}" for i in (1, 2, 3) for k in ("pt", "eta", "phi", "mass")]
    table = pq.read_table(REFERENCE / f"{name}.parquet", columns=[*names, "mjj", *BASE[2:]])
    read = {key: table[key].to_numpy().astype(float) for key in table.column_names}
    jets = [
        _momentum(*(read[f"j{i}_{k}"] for k in ("pt", "eta", "phi", "mass"))) for i in (1, 2, 3)
    ]
    whole = _square(jets[0] + jets[1] + jets[2])
    # Dalitz variables of three massive bodies, which add up to one
    norm = whole + sum(_square(jet) for jet in jets)
    pairs = [_square(jets[a] + jets[b]) / norm for a, b in ((0, 1), (0, 2), (1, 2))]
    ordered = dict(zip(ADDED["mjjj"][1:], np.sort(np.stack(pairs), axis=0), strict=True))
    found = {key: read[key] for key in (*BASE, "mjj")} | ordered
    found["mjjj"] = np.where(read["j3_pt"] > 0, np.sqrt(np.maximum(whole, 0)), 0.0)
    found["delta_eta"] = np.abs(read["j1_eta"] - read["j2_eta"])
    return found


def _momentum(pt: Array, eta: Array, phi: Array, mass: Array) -> Array:
    p = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    return np.vstack([np.sqrt((p**2).sum(axis=0) + mass**2), p])


def _square(p: Array) -> Array:
    return p[0] ** 2 - (p[1:] ** 2).sum(axis=0)


def write_box(path: Path, box: int, signal: int, arguments: argparse.Namespace) -> None:
    """Write background events that no other box has, and some of the signal."""
    if path.is_file():
        return
    background = columns_of("rnd_background")
    mass = background[arguments.mass]
    inside = np.flatnonzero((mass >= LOW) & (mass < HIGH))
    order = np.random.default_rng(arguments.seed).permutation(inside)
    chosen = order[box * arguments.events : (box + 1) * arguments.events]
    if len(chosen) < arguments.events:
        msg = f"{len(inside)} events make {len(inside) // arguments.events} boxes"
        raise SystemExit(msg)
    other = columns_of("rnd_signal")
    drawn = np.random.default_rng([arguments.seed, box]).permutation(len(other["mjj"]))[:signal]
    table = {
        key: np.concatenate([background[key][chosen], other[key][drawn]]).astype(np.float32)
        for key in background
    }
    ids = np.concatenate([chosen, 10**7 + drawn]).astype(np.uint64)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"event": ids, **table}), path)


def searched(box: int, signal: int, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what a search of a box gave; what is done is read."""
    setting = f"{arguments.mass}-n{arguments.events}-{arguments.seed}"
    of_kind = f"{kind}-{arguments.by}" if kind == "decorrelated" else kind
    folder = arguments.out / setting
    done = folder / f"box{box:02d}-s{signal}-{of_kind}.json"
    if done.is_file():
        return json.loads(done.read_text())
    events = folder / f"box{box:02d}-s{signal}.parquet"
    write_box(events, box, signal, arguments)
    added = ADDED[arguments.mass]
    values: dict[str, Any] = {
        "events": {"format": "columns", "files": [str(events)]},
        "mass": arguments.mass,
        "features": [*BASE, *(() if kind == "plain" else added)],
        "decorrelate": {"features": list(added), "by": arguments.by}
        if kind == "decorrelated"
        else [],
        "scan": {"low": LOW, "high": HIGH},
        "fit": {"spurious": "none"},
        "pseudo_experiments": 1000,
        "repeats": 1,
        "seed": box + 1,
        "cluster": "threads",
        "workers": 1,
        "out": str(folder / f"run-box{box:02d}-s{signal}-{of_kind}"),
    }
    results = run_search(parse_config(values))
    best = results.best
    near = [
        max((row.z_local for row in w.selections if row.z_local is not None), default=-1.0)
        for w in results.windows
        if w.low < 3500 < w.high
    ]
    found = {
        "windows": len(results.windows),
        "quotable": sum(
            any(row.p_local is not None for row in w.selections) for w in results.windows
        ),
        "refused": sum(row.refused for w in results.windows for row in w.selections),
        "z": [row.z_local for w in results.windows for row in w.selections],
        "z_near": max(near, default=-1.0),
        "p_global": 1.0 if best is None else best.p_global,
    }
    done.write_text(json.dumps(found))
    return found


def print_table(arguments: argparse.Namespace) -> None:
    """Print a line for each number of signal events and each search."""
    for box in range(arguments.boxes):  # all of a box first: a study cut off can be read
        for signal in arguments.signal:
            for kind in KINDS:
                searched(box, signal, kind, arguments)
    print(
        f"\n| {arguments.boxes} boxes of {arguments.events:,} events, mass {arguments.mass}, signal | "
        "search | quotable windows, median (least) | refused selections a box | "
        "mean z and rms of quoted selections | z > 3 | KS p of the global p-values | "
        "largest z at 3.5 TeV |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for signal in arguments.signal:
        for kind in KINDS:
            found = [searched(box, signal, kind, arguments) for box in range(arguments.boxes)]
            quotable = np.array([each["quotable"] for each in found])
            refused = np.mean([each["refused"] for each in found])
            z = np.array([v for each in found for v in each["z"] if v is not None], dtype=float)
            near = np.array([each["z_near"] for each in found])
            p = [each["p_global"] for each in found]
            error = near.std(ddof=1) / np.sqrt(len(near)) if len(near) > 1 else np.nan
            windows = found[0]["windows"]
            uniform = kstest(p, "uniform").pvalue if signal == 0 else np.nan
            print(
                f"| {signal} | {kind} | {np.median(quotable):.0f} ({quotable.min()}) of {windows} | "
                f"{refused:.1f} | {z.mean() if z.size else np.nan:.2f}, "
                f"{z.std() if z.size else np.nan:.2f} | {(z > 3).sum()} of {z.size} | "
                f"{'' if np.isnan(uniform) else f'{uniform:.2g}'} | "
                f"{near.mean():.2f} ± {error:.2f} |",
                flush=True,
            )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/decorrelate"))
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--mass", choices=tuple(ADDED), default="mjj")
    parser.add_argument("--signal", type=int, nargs="+", default=[0, 100, 200])
    parser.add_argument("--by", choices=("quantiles", "flow"), default="quantiles")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable()
    set_quiet(quiet=True)
    print_table(arguments)


if __name__ == "__main__":
    main()
