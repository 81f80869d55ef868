"""Does a search keep its power? Local significances of growing signals, before and after; Markdown.

    python -P benchmarks/power.py search             # 30 whole searches by this code, 9 CPU-seconds each
    python -P benchmarks/power.py search --before    # the same by the code of 4a79b18, 23 each
    python -P benchmarks/power.py search --repeats 3 # three partitions into folds
    python -P benchmarks/power.py table              # of all that are there

Disjoint boxes of the QCD reference sample and 0, 1, 2, 4, 6 and 8 times 40 events of its signal at 3.5 TeV,
each box with a seed of its own. A search has all that `overdensity run` does by default: ten windows,
training, calibrated scores, selections, fits, pseudo-experiments. The code before is taken from the history
of this repository; there every selected spectrum was fitted by itself with five parameters, and
the spurious signal was measured on the data. A search that is in the folder of ``--out`` is not made again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import norm, poisson

from overdensity import workflow
from overdensity.core.records import write_text_atomic
from overdensity.workflow import parse_config, run_search

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "data" / "reference"
BEFORE = "4a79b18"  # the last commit before the model of the selected background was changed
PACKAGES = ("core", "processors", "ml", "stats", "simulation", "workflow")
EVENTS, UNIT = 40_000, 40
STRENGTHS = (0, 1, 2, 4, 6, 8)
MASS = 3500.0  # of the signal, GeV
PSEUDO_EXPERIMENTS, LEAST = 2000, -3.0


def box(index: int, strength: int) -> pa.Table:
    """Return the events of a box; boxes share none, and one of more signal has all of one of less."""
    background = pq.read_table(REFERENCE / "rnd_background.parquet").slice(EVENTS * index, EVENTS)
    signal = pq.read_table(REFERENCE / "rnd_signal.parquet").select(background.column_names)
    first = UNIT * max(STRENGTHS) * index
    return pa.concat_tables([background, signal.slice(first, UNIT * strength)])


def rows_of(result: Any, events: pa.Table) -> dict[str, Any]:
    """Return what the table needs: the window whose center is nearest to the signal, and the best."""
    window = min(result.windows, key=lambda each: abs(each.center - MASS))
    mass, label = (events[name].to_numpy() for name in ("mjj", "label"))
    inside = (mass >= window.low) & (mass < window.high)
    rows = [
        {
            "efficiency": row.efficiency,
            "observed": row.observed,
            "expected": row.expected,
            "z": None if row.z_local is None else max(row.z_local, LEAST),
            "quotable": not (row.flagged or row.refused),
        }
        for row in (window.unselected, *window.selections)
    ]
    best = result.best
    return {
        "rows": rows,
        "signal": int((inside & (label == 1)).sum()),
        "background": int((inside & (label == 0)).sum()),
        "p_global": 1.0 if best is None else best.p_global,
        "best": None if best is None else [best.mass, best.efficiency, best.z_local],
    }


def search(index: int, strength: int, path: Path, repeats: int | None) -> None:
    """Search a box with the package that is imported, and write what is found."""
    start, events = time.process_time(), box(index, strength)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "box.parquet"
        pq.write_table(events, file)
        values = {"events": {"format": "columns", "files": [str(file)]}, "cluster": "threads"}
        values |= {"out": f"{folder}/run", "seed": index + 1}
        values |= {"pseudo_experiments": PSEUDO_EXPERIMENTS}
        if repeats is not None:  # the code before knows no such key
            values["repeats"] = repeats
        found = rows_of(run_search(parse_config(values)), events)
    found |= {"seconds": round(time.process_time() - start, 1)}
    write_text_atomic(path, json.dumps(found))


def searches(chain: str, boxes: int, folder: Path, repeats: int | None) -> None:
    """Make the searches of a chain that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(boxes):
        for strength in STRENGTHS:
            path = folder / f"{chain.replace(' ', '_')}-{EVENTS}-{UNIT * strength}-{index}.json"
            if not path.is_file():
                search(index, strength, path, repeats)
                print(path.name, flush=True)


def code_before(folder: Path) -> Path:
    """Return a folder with the package as it was; it is unpacked once."""
    place = folder / f"code-{BEFORE}"
    if not place.is_dir():
        words = ["git", "archive", BEFORE, "overdensity", *PACKAGES]
        packed = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(place, filter="data")
        for name in PACKAGES:
            (place / name).rename(place / "overdensity" / name)
    return place


def search_before(words: Sequence[str], folder: Path) -> None:
    """Run this script with the package as it was."""
    path = {"PYTHONPATH": str(code_before(folder))}
    command = [sys.executable, "-P", __file__, *words]
    subprocess.run(command, env=os.environ | path, check=True)


def found_of(folder: Path) -> dict[str, dict[tuple[int, int], dict[str, Any]]]:
    """Return all searches by chain, signal and box."""
    found: dict[str, dict[tuple[int, int], dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        chain, _, signal, index = path.stem.replace("_", " ").split("-")
        found.setdefault(chain, {})[int(signal), int(index)] = json.loads(path.read_text())
    order = ["before", *sorted(chain for chain in found if chain != "before")]
    return {chain: found[chain] for chain in order if chain in found}


def mean_of(values: Sequence[float]) -> str:
    """Return mean and error."""
    if not values:
        return "none"
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):+.2f} ± {error:.2f}"


def known_z(each: dict[str, Any], level: int) -> float:
    """Return the significance if exactly the fraction of the selection passed of the background."""
    row = each["rows"][level]
    log_p = poisson.logsf(row["observed"] - 1, row["efficiency"] * each["background"])
    return max(float(norm.isf(np.exp(log_p))), LEAST)


def show_local(found: dict[str, dict[tuple[int, int], dict[str, Any]]]) -> None:
    """Print the local significances in the window of the signal."""
    chains = list(found)
    names = " | ".join(f"z {chain}" for chain in chains)
    print(
        f"| signal events | S/B in the window | selection | {names} | after less before | "
        "background known | may be quoted |"
    )
    print("| --- " * (6 + len(chains)) + "|")
    for signal in sorted({signal for each in found.values() for signal, _ in each}):
        some = {
            chain: {i: x for (s, i), x in each.items() if s == signal}
            for chain, each in found.items()
        }
        every = next(each for each in some.values() if each)
        ratio = np.mean([each["signal"] / each["background"] for each in every.values()])
        for level, row in enumerate(next(iter(every.values()))["rows"]):
            z = {
                chain: {i: x["rows"][level]["z"] for i, x in each.items()}
                for chain, each in some.items()
            }
            means = [mean_of([x for x in each.values() if x is not None]) for each in z.values()]
            before, after = z.get("before", {}), z.get("after", {})
            both = [i for i in before if before[i] is not None and after.get(i) is not None]
            more = mean_of([after[i] - before[i] for i in both])
            known = mean_of([known_z(each, level) for each in some.get("after", {}).values()])
            quoted = ", ".join(
                f"{sum(x['rows'][level]['quotable'] for x in each.values())} of {len(each)}"
                for each in some.values()
            )
            print(
                f"| {signal} | {100 * ratio:.2f} % | {_name(row['efficiency'])} | "
                f"{' | '.join(means)} | {more} | {known} | {quoted} |"
            )


def show_global(found: dict[str, dict[tuple[int, int], dict[str, Any]]]) -> None:
    """Print the global p-values and the time."""
    print("\n| signal events | code | p_global of each box | median | below 0.05 | CPU-seconds |")
    print("| --- " * 6 + "|")
    for signal in sorted({signal for each in found.values() for signal, _ in each}):
        for chain, each in found.items():
            some = [x for (s, _), x in sorted(each.items()) if s == signal]
            p = np.array([x["p_global"] for x in some])
            if p.size:
                print(
                    f"| {signal} | {chain} | {', '.join(f'{x:.2g}' for x in p)} | "
                    f"{np.median(p):.2g} | {(p < 0.05).sum()} of {p.size} | "
                    f"{np.mean([x['seconds'] for x in some]):.0f} |"
                )


def _name(efficiency: float) -> str:
    return "all events" if efficiency == 1.0 else f"{100 * efficiency:g} %"


def main() -> None:
    """Make the searches that are missing, or show all that are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["search", "table"])
    parser.add_argument("--before", action="store_true", help=f"by the code of {BEFORE}")
    parser.add_argument("--repeats", type=int, default=1, help="partitions into folds")
    parser.add_argument("--boxes", type=int, default=5, help="at most 12")
    parser.add_argument("--out", type=Path, default=Path("runs/power"))
    asked = parser.parse_args()
    folder = asked.out.absolute()
    if asked.part == "table":
        found = found_of(folder)
        show_local(found)
        show_global(found)
    elif not asked.before:
        after = "after" if asked.repeats == 1 else f"after, {asked.repeats} partitions"
        searches(after, asked.boxes, folder, asked.repeats)
    elif Path(workflow.__file__).is_relative_to(folder):
        searches("before", asked.boxes, folder, None)
    else:
        search_before(sys.argv[1:], folder)


if __name__ == "__main__":
    main()
