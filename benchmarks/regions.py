"""Searches in regions: limits beside those of a classifier, and their calibration on toys.

    python -P benchmarks/regions.py limits SEARCH.yaml [--seeds 1 2 3] [--figures docs/figures] [--work runs/regions-limits]
    python -P benchmarks/regions.py toys [--number 40] [--first 1] [--figures docs/figures] [--work runs/regions-toys]

`limits` repeats a search with other seeds, of which folds, trainings and bins follow, and prints medians
with the smallest and the largest: the AUC by which trees tell events of the flows from background, and
expected limits of the flows and of a classifier; flows stay in --work. `toys` makes pseudo-experiments of toy leptons in two
regions, simulation and trainings anew in each, without signal and with signal at once and twice the median
expected limit; sizes of data vary with the uncertainties that the fit has. Counts are whole numbers, so
that the p-value that has to be uniform is drawn flat between the two that they allow. Seeds begin with --first;
what was found stays in --work, so that a study can be made in pieces.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import kstest

from overdensity.core.identity import json_digest
from overdensity.core.json_lines import add_line, read_lines
from overdensity.stats.p_values.shares import share_of
from overdensity.stats.workspaces.visible import VisibleCounts, visible_counts
from overdensity.workflow.config.limits import SignalConfig
from overdensity.workflow.drawing import BACKGROUND, COLOURS, STYLE
from overdensity.workflow.regions.region_config import (
    BackgroundConfig,
    RegionSearchConfig,
    RegionUncertainties,
    load_regions,
)
from overdensity.workflow.regions.region_events import read_events
from overdensity.workflow.regions.region_figures import plot_limits
from overdensity.workflow.regions.region_fit import benchmark, scored_regions
from overdensity.workflow.regions.region_result import BenchmarkLimit
from overdensity.workflow.regions.region_run import run_regions
from overdensity.workflow.regions.region_scores import learn_regions

EXPECTED = 400  # background events of toys
SIMULATED = 3000
LUMINOSITY, CROSS_SECTION = 0.02, 0.05  # relative uncertainties
FLOW = {"layers": 4, "width": 16, "depth": 1, "epochs": 6}

Found = dict[str, NDArray[np.float64]]  # what toys with one size of the signal gave


def print_table(header: list[str], rows: list[list[str]], caption: str) -> None:
    """Print a table of a page."""
    lines = [header, ["---"] * len(header), *rows]
    print(f"{caption}\n", *("| " + " | ".join(line) + " |" for line in lines), "", sep="\n")


def spread(values: list[float], digits: str) -> str:
    """Write median, smallest and largest."""
    found = (np.median(values), min(values), max(values))
    middle, low, high = (format(value, digits) for value in found)
    return f"{middle} [{low}, {high}]"


def limits(arguments: argparse.Namespace) -> None:
    """Print closure and limits of a search over seeds."""
    found = []
    for seed in arguments.seeds:
        out = str(arguments.work / f"{arguments.search.stem}-seed{seed}")
        found.append(run_regions(load_regions(arguments.search, [f"seed={seed}"], out=out)))
    if arguments.figures is not None:
        plot_limits(found[0]).savefig(arguments.figures / "regions_limits.png", dpi=110)
    regions = [
        [
            each.name,
            f"{each.simulated}",
            f"{each.expected:.0f}",
            spread([result.regions[i].auc or np.nan for result in found], ".3f"),
            spread([result.visible.regions[i].expected for result in found], ".1f"),
            spread(
                [result.visible.regions[i].cross_section_expected[2] for result in found], ".3f"
            ),
        ]
        for i, each in enumerate(found[0].regions)
    ]
    print_table(
        ["region", "simulated", "expected", "AUC", "expected in the last bin", "σ visible, fb"],
        regions,
        f"{len(found)} seeds, median [smallest, largest]",
    )
    signals = [
        [
            each.name,
            f"{each.cross_section:.3g}",
            spread([result.signals[i].expected[2] for result in found], ".3g"),
            spread([result.signals[i].classifier_expected or np.nan for result in found], ".3g"),
            spread([result.signals[i].ratio or np.nan for result in found], ".2f"),
        ]
        for i, each in enumerate(found[0].signals)
    ]
    print_table(
        ["signal", "predicted, fb", "flows, fb", "classifier, fb", "flows / classifier"],
        signals,
        f"median expected limits, {len(found)} seeds",
    )


def leptons(path: Path, n: int, rng: np.random.Generator, *, hardness: float = 1.0) -> str:
    """Write toy events of two regions."""
    table = {
        "event": rng.integers(0, 2**63, n).astype(np.uint64),
        "l1_pt": 10 + rng.exponential(25 * hardness, n),
        "met": rng.rayleigh(20 * hardness, n),
        "n_jets": rng.poisson(1.2 * hardness, n),
        "region": rng.choice([0, 1], n, p=[0.6, 0.4]),
    }
    pq.write_table(pa.table(table), path)
    return str(path)


def pseudo_experiment(folder: Path, seed: int) -> list[dict[str, float]]:
    """Return p-values, limit and strength without signal, and at once and twice the expected limit."""
    rng = np.random.default_rng([seed, 11])
    size = EXPECTED * (1 + LUMINOSITY * rng.normal()) * (1 + CROSS_SECTION * rng.normal())
    config = RegionSearchConfig(
        events=str(folder / "data.parquet"),  # type: ignore[arg-type]
        groups="region",
        features=("l1_pt", "met", "n_jets"),
        method={"name": "region_flows", "device": "cpu", "flow": FLOW},  # type: ignore[arg-type]
        backgrounds={
            "zz": BackgroundConfig(
                files=leptons(folder / "zz.parquet", SIMULATED, rng),  # type: ignore[arg-type]
                cross_section=EXPECTED / 100,
                generated=SIMULATED,
                uncertainty=CROSS_SECTION,
            )
        },
        signals={
            "vll": SignalConfig(
                files=leptons(folder / "vll.parquet", 2000, rng, hardness=3),  # type: ignore[arg-type]
                cross_section=0.1,
                generated=2000,
            )
        },
        luminosity=100,
        uncertainties=RegionUncertainties(luminosity=LUMINOSITY),
        folds=2,
        seed=seed,
        out=str(folder / "run"),
    )
    found, median = [], 0.0
    for multiple in (0, 1, 2):
        parts = [leptons(folder / "background.parquet", rng.poisson(size), rng)]
        if n := rng.poisson(10 * multiple * median):
            parts.append(leptons(folder / "signal.parquet", n, rng, hardness=3))
        pq.write_table(pa.concat_tables(map(pq.read_table, parts)), folder / "data.parquet")
        limit, visible = searched(config)
        found.append(
            {
                "strength": multiple * median,
                "limit": limit.strength.observed,
                "p_signal": limit.discovery.p,
                "p_global": visible.p_global,
                "p_flat": rng.uniform(visible.p_below, visible.p_global),
            }
        )
        median = median or limit.strength.expected[2]
    return found


def searched(config: RegionSearchConfig) -> tuple[BenchmarkLimit, VisibleCounts]:
    """Do what a search does, without closure, classifier and report; flows that are there are kept."""
    events = read_events(config)
    scores = learn_regions(config, events, config.folder)
    processes = events.backgrounds | events.signals
    regions = scored_regions(
        config,
        events,
        scores.of(events.data),
        {name: scores.of(each.sample) for name, each in processes.items()},
    )
    visible = visible_counts(
        [each.with_signal(None) for each in regions],
        luminosity=config.luminosity,
        seed=config.seed,
    )
    return benchmark(config, "vll", regions)[0], visible


def toys(arguments: argparse.Namespace) -> None:
    """Print p-values and coverage of pseudo-experiments; those that are there are not repeated."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    settings = [EXPECTED, SIMULATED, LUMINOSITY, CROSS_SECTION, FLOW]
    path = arguments.work / f"regions-{json_digest(settings, size=4)}.jsonl"
    seeds = set(range(arguments.first, arguments.first + arguments.number))
    for seed in sorted(seeds - {line["seed"] for line in read_lines(path)}):
        with tempfile.TemporaryDirectory() as folder:
            add_line(path, {"seed": seed, "found": pseudo_experiment(Path(folder), seed)})
    lines = [line["found"] for line in read_lines(path) if line["seed"] in seeds]
    found = [
        {name: np.array([each[name] for each in of_strength]) for name in of_strength[0]}
        for of_strength in zip(*lines, strict=True)
    ]
    rows = []
    for multiple, p in enumerate(found):
        n, covered, low, high = covers(p)
        rows.append(
            [
                f"{multiple}",
                f"{n}",
                "–" if multiple else f"{kstest(p['p_flat'], 'uniform').pvalue:.2f}",
                *(f"{np.count_nonzero(p[name] < 0.05)}" for name in ("p_global", "p_signal")),
                f"{covered} ({low:.3f} to {high:.3f})",
            ]
        )
    if arguments.figures is not None:
        plot_toys(found).savefig(arguments.figures / "regions_toys.png", dpi=110)
    print_table(
        [
            "signal / expected limit",
            "searches",
            "global p uniform, KS",
            "global p < 0.05",
            "p of the signal < 0.05",
            "limit covers",
        ],
        rows,
        "pseudo-experiments with training inside; intervals of 68 %",
    )


def covers(found: Found) -> tuple[int, int, float, float]:
    """Return how many searches there are, how many limits cover, and the 68 % interval of the fraction."""
    n, covered = len(found["limit"]), int(np.sum(found["limit"] >= found["strength"]))
    return n, covered, *share_of(covered, n)[1:]


def plot_toys(found: list[Found]) -> Figure:
    """Draw global p-values without a signal, and coverage by size of the signal, with binomial errors."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.8))
        left, right = figure.subplots(1, 2)
        p, bins = found[0]["p_flat"], 10
        counts, edges = np.histogram(p, bins, (0, 1))
        errors = np.sqrt(counts * (1 - counts / len(p)))
        left.errorbar((edges[1:] + edges[:-1]) / 2, counts, errors, fmt="o", ms=5, color="black")
        left.axhline(len(p) / bins, color=BACKGROUND, label="uniform")
        left.set_xlim(0, 1)
        left.set_ylim(0, 1.3 * max(counts + errors))  # the legend is above
        left.set_xlabel("global p-value without a signal")
        left.set_ylabel("searches")
        left.legend()
        for multiple, each in enumerate(found):
            n, covered, low, high = covers(each)
            share = covered / n
            right.errorbar(
                multiple, share, [[share - low], [high - share]], fmt="o", ms=5, color="black"
            )
        right.axhline(0.95, color=COLOURS[2], label="95 %")
        right.set_xticks(range(len(found)))
        right.set_ylim(0.85, 1.005)
        right.set_xlabel("signal / median expected limit")
        right.set_ylabel("limits that cover it")
        right.legend(loc="lower left")
    return figure


def main() -> None:
    """Run one of the studies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("limits")
    one.add_argument("search", type=Path)
    one.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    one.add_argument("--figures", type=Path, help="folder for the picture of the first seed")
    one.add_argument("--work", type=Path, default=Path("runs/regions-limits"))
    one.set_defaults(run=limits)
    other = commands.add_parser("toys")
    other.add_argument("--number", type=int, default=40)
    other.add_argument("--first", type=int, default=1)
    other.add_argument("--figures", type=Path, help="folder for the picture of both")
    other.add_argument("--work", type=Path, default=Path("runs/regions-toys"))
    other.set_defaults(run=toys)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
