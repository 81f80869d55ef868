"""Rows of a benchmark beside what was published of each method. Prints Markdown.

    python -P benchmarks/rows.py [--config examples/benchmark/outliers.yaml] [--methods NAME ...] [--seeds 1 2 3 4 5]

What `overdensity benchmark` does, on one thread; what is done is not repeated. Published AUC are of other
events and inputs: those of the LHC Olympics, two prongs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from overdensity.workflow.benchmark.benchmark_result import as_markdown
from overdensity.workflow.benchmark.benchmarking import run_benchmark
from overdensity.workflow.config.cluster import ClusterConfig
from overdensity.workflow.config.reading import load_benchmark

PUBLISHED = {"gan_ae": "0.905", "factorized_topics": "0.81 at 1 %, 0.88 at 10 %"}
CONSTANT = ("signal", "S/B", "S/√B")  # the same in all rows, or told by the page


def main() -> None:
    """Print a row for each method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--config", type=Path, default=Path("examples/benchmark/outliers.yaml"))
    parser.add_argument("--methods", nargs="+", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    given = parser.parse_args()
    config = load_benchmark(given.config).model_copy(
        update={
            "cluster": ClusterConfig(kind="threads", workers=1),
            "seeds": tuple(given.seeds),
        }
    )
    results = run_benchmark(config, only=tuple(given.methods))
    lines = [line for line in as_markdown(results).splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]
    shown = [i for i, name in enumerate(rows[0]) if name not in CONSTANT]
    heads = [rows[0][i] for i in shown]
    print("| " + " | ".join([heads[0], "published AUC", *heads[1:]]) + " |")
    print("|" + " --- |" * (len(heads) + 1))
    for row in rows[2:]:
        name, *cells = (row[i] for i in shown)
        print("| " + " | ".join([name, PUBLISHED.get(name, "–"), *cells]) + " |")


if __name__ == "__main__":
    main()
