"""Are combined p-values of two channels right, training inside, and what do partitions add? Markdown.

    python -P benchmarks/channel_chains.py --chains 100             # without signal, 2.5 CPU-seconds a chain
    python -P benchmarks/channel_chains.py --chains 30 --signal 60  # and with it
    python -P benchmarks/channel_chains.py --chains 0               # the tables of all that are there

A chain scores two searches in three partitions into folds, and combines them twice, the first
partitions alone and all. Every event has the mass of the one channel, half of them that of the other
as well: these are trained on in both, and count in the second alone. Masses have dN/dm ~ m^-6;
three features know nothing of them nor of one another. Signal has a peak in the mass of either
channel, and features near one end. A chain is a line in a file of ``--out``: what is there is not made
again, and adds up over several calls. Take another folder after a change of what is measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.stats import kstest

from overdensity.core import progress
from overdensity.core.json_lines import add_line, read_lines
from overdensity.stats import z_of_p
from overdensity.stats.p_values.shares import share_below
from overdensity.workflow import SearchConfig, parse_config
from overdensity.workflow.combine.combined_run import combine_searches
from overdensity.workflow.search_run import score_search

EVENTS, PARTITIONS, ALPHAS = 3000, 3, (0.3, 0.1, 0.05, 0.01)  # events in each channel
LOW, HIGH, MASS, WIDTH = 2632.0, 4200.0, 3300.0, 0.02
FEATURES = ("x0", "x1", "x2")
SETTINGS: dict[str, Any] = {
    "features": list(FEATURES),
    "method": {
        "name": "cwola",
        "classifier": {
            "inner_folds": 2,
            "members": 1,
            "trees": {"iterations": 30, "leaves": 8, "events_per_leaf": 20},
        },
    },
    "scan": {"low": LOW, "high": HIGH, "bins": 9, "signal_bins": 3, "sideband_bins": 2},
    "selections": [1, 0.1, 0.02],
    "folds": 5,
    "fit": {"function": "dijet3"},
    "repeats": PARTITIONS,
    "pseudo_experiments": 500,
    "cluster": "threads",
}


def masses(rng: np.random.Generator, signal: int) -> np.ndarray:
    """Draw background, then signal, in GeV."""
    low, high = LOW**-5.0, HIGH**-5.0
    background = (low + rng.random(EVENTS) * (high - low)) ** -0.2
    return np.r_[background, rng.normal(MASS, WIDTH * MASS, signal)]


def write_events(folder: Path, number: int, signal: int) -> dict[str, Path]:
    """Write the events of both channels; those of the second are in the first as well."""
    rng = np.random.default_rng([27, signal, number])
    one, other = masses(rng, signal), masses(rng, signal)
    n = len(one)
    low, high = LOW**-5.0, HIGH**-5.0  # where those with a third jet lie in the mass of two
    also = (low + rng.random(n) * (high - low)) ** -0.2
    is_signal = np.tile(np.arange(n) >= EVENTS, 2)
    x = rng.random((2 * n, len(FEATURES)))
    x[is_signal] = rng.beta(8, 1, (is_signal.sum(), len(FEATURES)))
    values = {"mjj": np.r_[one, also], "mjjj": np.r_[np.zeros(n), other]}
    values |= {"event": rng.permutation(2 * n).astype(np.uint64)}
    table = pa.table(values | dict(zip(FEATURES, x.T, strict=True)))
    table = table.take(rng.permutation(2 * n))
    paths = {"three": folder / "three.parquet", "two": folder / "two.parquet"}
    pq.write_table(table.filter(pc.greater(table["mjjj"], 0)), paths["three"])
    pq.write_table(table, paths["two"])
    return paths


def chain(number: int, signal: int) -> dict[str, Any]:
    """Search and combine; return the global p-values of both channels and of the combination."""
    start = time.process_time()
    found: dict[str, Any] = {"number": number, "signal": signal}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs: dict[str, dict[str, Any]] = {}
        for channel, path in write_events(folder, number, signal).items():
            mass = "mjjj" if channel == "three" else "mjj"
            configs[channel] = SETTINGS | {
                "events": {"format": "columns", "files": [str(path)]},
                "mass": mass,
                "seed": number + 1,
                "out": str(folder / channel),
            }
            score_search(parse_config(configs[channel]), process=True)
        for repeats in (1, PARTITIONS):
            found[str(repeats)], z = combined(configs, repeats, folder / f"both-{repeats}")
            found[f"z of {repeats}"] = z
    return found | {"seconds": round(time.process_time() - start, 2)}


def combined(
    configs: dict[str, dict[str, Any]], repeats: int, out: Path
) -> tuple[list[float], float]:
    """Return p_global of each channel and of all, 1 where nothing may be quoted, and the largest z."""
    asked: dict[str, SearchConfig] = {
        name: parse_config(config | {"repeats": repeats}) for name, config in configs.items()
    }
    out.mkdir()
    result = combine_searches(asked, out).result
    each = [*(channel.global_p for channel in result.channels), result.global_p]
    largest = max(hypothesis.z_local for hypothesis in result.hypotheses)
    return [1.0 if p is None else p.p_global for p in each], largest


def show(found: list[dict[str, Any]], signal: int) -> None:
    """Print how often global p-values are small, in one partition and in all."""
    seconds = np.mean([each["seconds"] for each in found])
    names = " | ".join(f"below {alpha:g} [%]" for alpha in ALPHAS)
    print(
        f"{len(found)} chains of {EVENTS} events and {signal} of signal in each channel, "
        f"{seconds:.1f} CPU-seconds each (68 % interval)\n"
    )
    print(f"| p_global | partitions | {names} | KS p | median z |")
    print("| --- " * (4 + len(ALPHAS)) + "|")
    for place, name in enumerate(("three jets", "two jets", "combined")):
        for repeats in (1, PARTITIONS):
            p = np.array([each[str(repeats)][place] for each in found])
            shares = " | ".join(share_below(p, alpha).in_per_cent() for alpha in ALPHAS)
            test = kstest(p, "uniform").pvalue
            print(
                f"| {name} | {repeats} | {shares} | {test:.2g} | {np.median(z_of_p(p)):.2f} |",
                flush=True,
            )


def show_power(found: list[dict[str, Any]], signal: int) -> None:
    """Print the largest local significance of the combination, in one partition and in all."""
    one, all_of_them = (np.array([each[f"z of {k}"] for each in found]) for k in (1, PARTITIONS))
    print(f"\n| {signal} of signal in each channel | largest z_local of the combination |")
    print("| --- | --- |")
    names = ("1 partition", f"{PARTITIONS} partitions", "gained")
    for name, z in zip(names, (one, all_of_them, all_of_them - one), strict=True):
        print(f"| {name} | {z.mean():.2f} ± {z.std(ddof=1) / np.sqrt(z.size):.2f} |", flush=True)


def main() -> None:
    """Add chains, and show all that are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chains", type=int, default=100, help="in all")
    parser.add_argument("--signal", type=int, default=0, help="events of it in each channel")
    parser.add_argument("--out", type=Path, default=Path("runs/channel_chains"))
    asked = parser.parse_args()
    path = asked.out / "chains.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {each["number"] for each in read_lines(path) if each["signal"] == asked.signal}
    missing = [number for number in range(asked.chains) if number not in done]
    with progress("chains", len(missing)) as advance:
        for number in missing:
            add_line(path, chain(number, asked.signal))
            advance(1)
    found = read_lines(path)
    for signal in sorted({each["signal"] for each in found}):
        some = [each for each in found if each["signal"] == signal]
        show(some, signal)
        if signal:
            show_power(some, signal)
        print()


if __name__ == "__main__":
    main()
