"""The whole search on disjoint boxes of the Delphes reference sample, without signal and with.

python -P benchmarks/search.py null      # is the global p-value uniform where there is no signal?
python -P benchmarks/search.py signal    # and small where there is one?

A box has 40 000 QCD events (and 250 of a resonance at 3.5 TeV), as in `make demo`. What is in the
folder of ``--out`` already is not searched again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import kstest

from overdensity.workflow import SearchResults, parse_config, run_search

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
BACKGROUND, SIGNAL, MASS = 40_000, 250, 3500.0
SCHEMES: dict[str, dict[str, Any]] = {
    "t7": {"folds": 7, "cross_fitting": "tournament"},
    "k5": {"folds": 5, "cross_fitting": "all"},
}


def box(index: int, folder: Path, *, signal: int) -> Path:
    """Write the box of this index; boxes share no event."""
    path = folder / f"{'box' if signal else 'bkg'}{index}.parquet"
    if not path.is_file():
        background = pq.read_table(REFERENCE / "rnd_background.parquet")
        events = [background.slice(BACKGROUND * index, BACKGROUND)]
        if signal:
            read = pq.read_table(REFERENCE / "rnd_signal.parquet")
            events.append(read.slice(signal * index, signal).select(background.column_names))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(events), path)
    return path


def search(index: int, folder: Path, scheme: str, *, signal: int) -> SearchResults:
    """Search one box."""
    return run_search(
        parse_config(
            {
                "events": {
                    "format": "columns",
                    "files": [str(box(index, folder, signal=signal))],
                },
                "seed": index + 1,
                "repeats": 1,
                "pseudo_experiments": 2000 if signal else 1000,
                "out": str(folder / f"{'signal-' if signal else ''}{scheme}-{index}"),
                **SCHEMES[scheme],
            }
        )
    )


def null(boxes: int, folder: Path) -> None:
    """Print the global p-values without signal, and the spread of local significances."""
    print(
        "| cross-fitting | p_global of the boxes, sorted | KS p | z_local: rms | above 2 | above 3 |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for scheme, setting in SCHEMES.items():
        found = [search(index, folder, scheme, signal=0) for index in range(boxes)]
        p = np.sort([results.best.p_global if results.best else 1.0 for results in found])
        z = np.array(
            [
                row.z_local
                for results in found
                for window in results.windows
                for row in window.selections
                if row.z_local is not None and row.z_local > -8
            ]
        )
        print(
            f"| {setting['cross_fitting']}, {setting['folds']} folds | "
            f"{', '.join(f'{each:.3f}' for each in p)} | {kstest(p, 'uniform').pvalue:.2g} | "
            f"{np.sqrt(np.mean(z**2)):.2f} | {(z > 2).mean():.3f} | {(z > 3).mean():.4f} |",
            flush=True,
        )


def signal(boxes: int, folder: Path) -> None:
    """Print what is found with signal."""
    print("| cross-fitting | box | largest z before selection | z_local | p_global | mass [GeV] |")
    print("| --- | --- | --- | --- | --- | --- |")
    for scheme, setting in SCHEMES.items():
        for index in range(boxes):
            results = search(index, folder, scheme, signal=SIGNAL)
            best = results.best
            before = max(window.unselected.z_local or 0.0 for window in results.windows)
            if best is None:
                print(f"| {setting['cross_fitting']} | {index} | {before:.1f} | – | – | – |")
                continue
            bound = "≤ " if best.p_global_is_limit else ""
            print(
                f"| {setting['cross_fitting']}, {setting['folds']} folds | {index} | {before:.1f} | "
                f"{best.z_local:.1f} at {best.efficiency:g} | {bound}{best.p_global:.2g} | "
                f"{best.mass:.0f} ({100 * (best.mass / MASS - 1):+.1f} %) |",
                flush=True,
            )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["null", "signal"])
    parser.add_argument("--boxes", type=int, default=10, help="at most 12")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    {"null": null, "signal": signal}[arguments.part](arguments.boxes, arguments.out.absolute())


if __name__ == "__main__":
    main()
