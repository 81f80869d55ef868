"""``overdensity benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..tables import show_table
from .options import Out, Set

if TYPE_CHECKING:
    from ..benchmark.benchmark_result import BenchmarkResults

__all__ = ["benchmark"]


def benchmark(
    file: Annotated[Path, typer.Argument(help="The benchmark, a YAML file.", metavar="FILE.yaml")],
    out: Out = None,
    overrides: Set = None,
    only: Annotated[
        str | None,
        typer.Option("--methods", help="Only these of the file's methods, commas between them."),
    ] = None,
) -> None:
    """Compare methods on the same events, over seeds and signal strengths: table and figures."""
    from ..benchmark.benchmarking import run_benchmark
    from ..config.reading import load_benchmark

    config = load_benchmark(file, overrides or [], out=out)
    chosen = tuple(name.strip() for name in only.split(",")) if only else ()
    _show(run_benchmark(config, only=chosen), Path(config.out))


def _show(found: BenchmarkResults, out: Path) -> None:
    """Print the medians over the seeds; the spread is in the file."""
    from ...stats.search.printed import error_of, selection_name

    efficiencies = (f"SIC {selection_name(efficiency)}" for efficiency in found.selections)
    show_table(
        ("method", "signal", "seeds", *efficiencies, "max SIC", "AUC", "χ²/ndf"),
        [
            (
                row.method,
                "labels" if row.n_signal is None else str(row.n_signal),
                str(row.seeds),
                *(f"{spread.median:.1f} ± {error_of(spread.error, '.1f')}" for spread in row.sic),
                f"{row.max_sic.median:.1f} [{row.max_sic.low:.1f}, {row.max_sic.high:.1f}]",
                f"{row.auc.median:.3f}",
                f"{row.chi2_per_ndf[0].median:.1f}",
            )
            for row in found.rows
        ],
        title="medians over the seeds ± errors of the test events, [smallest, largest] of the maximum SIC",
        words=1,
    )
    typer.echo(
        f"table: {out / 'benchmark.md'}, figures beside it; record: {out / 'benchmark.json'}"
    )
