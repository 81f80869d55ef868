"""Data against simulation in regions of simulated leptons: calibration and power. Prints Markdown.

    python -P benchmarks/comparison.py [--first 1] [--datasets 100] [--work runs/comparison]

Pseudo-data are simulated events, kept with the probability that one has at the luminosity of the search in
examples/regions/leptons.yaml; those that are not kept are the simulation, weighted up for it. Each dataset is
compared as it is, and with events of a signal among it. What was found stays in --work.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import kstest

from overdensity.core.identity import json_digest
from overdensity.core.json_lines import add_line, read_lines
from overdensity.ml import Sample, compare
from overdensity.workflow.regions.region_config import load_regions
from overdensity.workflow.regions.region_events import RegionEvents, read_events

SEARCH = Path("examples/regions/leptons.yaml")
SIGNAL = "scalar400"
INJECTED = (0, 20, 40, 80)
PERMUTATIONS = 1999


def compared(events: RegionEvents, injected: int, seed: int) -> float:
    """Return the global p-value of one dataset."""
    rng = np.random.default_rng([seed, injected])
    background = events.background
    kept = rng.random(len(background)) < background.weights
    data = replace(background.take(kept), weight=None)
    if injected:
        signal = replace(events.signals[SIGNAL].sample, weight=None)
        chosen = signal.take(rng.choice(len(signal), injected, replace=False))
        data = Sample.concatenated(data, chosen)
        data = replace(data, event=np.arange(len(data), dtype=np.uint64))
    others = background.take(~kept)
    others = replace(others, weight=others.weights / (1 - others.weights))
    return compare(data, others, permutations=PERMUTATIONS, seed=seed).p_global


def main() -> None:
    """Print p-values of all datasets, by the number of signal events in them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--work", type=Path, default=Path("runs/comparison"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    settings = [SIGNAL, INJECTED, PERMUTATIONS, SEARCH.read_text()]
    path = arguments.work / f"comparison-{json_digest(settings, size=4)}.jsonl"
    events = read_events(load_regions(SEARCH))
    seeds = set(range(arguments.first, arguments.first + arguments.datasets))
    for seed in sorted(seeds - {line["seed"] for line in read_lines(path)}):
        # a tenth of the datasets suffice to show that a signal is found
        numbers = INJECTED if seed % 10 == 1 else (0,)
        add_line(path, {"seed": seed, "p": [compared(events, n, seed) for n in numbers]})
    lines = [line["p"] for line in read_lines(path) if line["seed"] in seeds]
    size = sum(each.weight.sum() for each in events.backgrounds.values())
    print(f"{size:.0f} events of background in {len(events.names)} regions\n")
    print("| signal events | datasets | p uniform, KS | global p < 0.05 | median global p |")
    print("| --- | --- | --- | --- | --- |")
    for place, injected in enumerate(INJECTED):
        p = np.array([line[place] for line in lines if place < len(line)])
        uniform = "–" if injected else f"{kstest(p, 'uniform').pvalue:.2f}"
        found = np.count_nonzero(p < 0.05)
        print(f"| {injected} | {len(p)} | {uniform} | {found} | {np.median(p):.2g} |")


if __name__ == "__main__":
    main()
