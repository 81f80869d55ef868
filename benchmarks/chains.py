"""Are global p-values right when nothing is left out? Whole searches without signal; Markdown.

    python -P benchmarks/chains.py --chains 200               # made-up events, 3.4 CPU-seconds a chain
    python -P benchmarks/chains.py --chains 60 --of reference # disjoint boxes of QCD, as much a chain
    python -P benchmarks/chains.py --chains 0                 # the tables of all that are there

A chain is what `overdensity score` and `overdensity hunt` do with a file of columns: ids of events, three
partitions into folds, training in each of six windows and seven folds, calibrated scores, all
events and selections of 10, 1 and 0.2 %, fits, refusals, flags, pseudo-experiments, the combined p-value.
Not as by default are the classifiers (one boosted tree of 30 rounds and 8 leaves a fold, in place of ten),
the range of the scan and the number of pseudo-experiments; reading of jets is not in it, nor the
report. Made-up events have dN/dm ~ m^-6 and three features that know nothing of the mass and of one another;
QCD has its four of the reference sample. A chain is a line in a file of ``--out``, named by the
settings: what is there is not made again, and adds up over several calls. Take another folder after a
change of what is measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import kstest

from overdensity.core import progress
from overdensity.core.identity import json_digest
from overdensity.core.json_lines import add_line, read_lines
from overdensity.stats.p_values.local import p_of_z
from overdensity.stats.p_values.shares import share_below
from overdensity.workflow import parse_config
from overdensity.workflow.search_run import hunt_search, score_search

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
PARTITIONS, ALPHAS, LEAST = 3, (0.3, 0.1, 0.05, 0.01), -3.0
SCAN = {"low": 2632, "high": 4200, "bins": 12, "signal_bins": 3, "sideband_bins": 2}
EVENTS = {"toys": 5000, "reference": 8000}
FEATURES = {
    "toys": ["x0", "x1", "x2"],
    "reference": ["j1_mass", "j2_mass", "j1_tau21", "j2_tau21"],
}
TREES = {"inner_folds": 2, "members": 1, "trees": {"iterations": 30, "leaves": 8}}
SETTINGS = {
    "method": {"name": "cwola", "classifier": TREES},
    "scan": SCAN,
    "repeats": PARTITIONS,
    "pseudo_experiments": 1000,
}


def dataset(kind: str, number: int) -> pa.Table:
    """Return the events of a chain."""
    columns = ["mjj", *FEATURES[kind]]
    if kind == "reference":
        read = pq.read_table(REFERENCE / "rnd_background.parquet", columns=columns)
        return read.slice(EVENTS[kind] * number, EVENTS[kind])
    rng = np.random.default_rng([19, number])
    low, high = (edge**-5.0 for edge in (SCAN["low"], SCAN["high"]))
    drawn = rng.random((len(columns), EVENTS[kind]))
    return pa.table(
        dict(zip(columns, [(low + drawn[0] * (high - low)) ** -0.2, *drawn[1:]], strict=True))
    )


def chain(kind: str, number: int) -> dict[str, Any]:
    """Search the events of this number; return what it says of them."""
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/events.parquet"
        pq.write_table(dataset(kind, number), file)
        values = {"events": {"format": "columns", "files": [file]}, "cluster": "threads"}
        values |= {"features": FEATURES[kind], "out": f"{folder}/run", "seed": number + 1}
        config = parse_config(values | SETTINGS)
        score_search(config, process=True)
        found = hunt_search(config)
    return {
        "number": number,
        "p": 1.0 if found.best is None else found.best.p_global,
        "of_partitions": [1.0 if p is None else p for p in found.repeats.p_global],
        "z": [[row.z_local for row in window.rows] for window in found.windows],
        "z_of_partitions": found.repeats.z_local,
        "seconds": round(time.process_time() - start, 2),
    }


def file_of(folder: Path, kind: str) -> Path:
    """Return the file of all chains that were made with the settings of today."""
    key = json_digest([SETTINGS, EVENTS[kind], FEATURES[kind]], size=4)
    return folder / f"chains-{kind}-{key}.jsonl"


def chains_in(path: Path) -> list[dict[str, Any]]:
    """Return the chains that are there, by number."""
    found = {each["number"]: each for each in read_lines(path)}
    return [found[number] for number in sorted(found)]


def make(path: Path, kind: str, chains: int) -> None:
    """Make the chains that are not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {each["number"] for each in chains_in(path)}
    missing = [number for number in range(chains) if number not in done]
    with progress("chains", len(missing)) as advance:
        for number in missing:
            add_line(path, chain(kind, number))
            advance(1)


def show(found: Sequence[dict[str, Any]], kind: str) -> None:
    """Print how often global and local p-values are small."""
    seconds = np.mean([each["seconds"] for each in found])
    names = " | ".join(f"below {alpha:g} [%]" for alpha in ALPHAS)
    print(
        f"{len(found)} chains of {EVENTS[kind]} events ({kind}) without signal, "
        f"{seconds:.1f} CPU-seconds each (68 % interval)\n"
    )
    print(f"| p-value | number | {names} | KS p |")
    print("| --- " * (3 + len(ALPHAS)) + "|")
    singles = np.array([each["of_partitions"] for each in found])
    p_values = {f"global, partition {k + 1}": p for k, p in enumerate(singles.T)}
    p_values["global, combined"] = np.array([each["p"] for each in found])
    for level, name in enumerate(("all events", "10 %", "1 %", "0.2 %")):
        first = [window[level] for each in found for window in each["z_of_partitions"][0]]
        p_values[f"local, {name}, partition 1"] = _p_of(first)
        p_values[f"local, {name}, combined"] = _p_of(
            [window[level] for each in found for window in each["z"]]
        )
    for name, p in p_values.items():
        shares = " | ".join(share_below(p, alpha).in_per_cent() for alpha in ALPHAS)
        # Windows of one chain share events: no test of independent values for local ones.
        test = f"{kstest(p, 'uniform').pvalue:.2g}" if name.startswith("global") else "-"
        print(f"| {name} | {p.size} | {shares} | {test} |")


def _p_of(z: Sequence[float | None]) -> np.ndarray:
    """Return p; 1 where none may be quoted."""
    return p_of_z(np.array([LEAST if each is None else each for each in z]))


def main() -> None:
    """Add chains, and show all that are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chains", type=int, default=200, help="in all")
    parser.add_argument("--of", choices=list(EVENTS), default="toys")
    parser.add_argument("--out", type=Path, default=Path("runs/chains"))
    asked = parser.parse_args()
    if asked.chains:
        make(file_of(asked.out, asked.of), asked.of, asked.chains)
    for kind in EVENTS:
        found = chains_in(file_of(asked.out, kind))
        if found:
            show(found, kind)
            print()


if __name__ == "__main__":
    main()
