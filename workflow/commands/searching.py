"""``overdensity run``, and its steps: ``score``, ``hunt``, ``report``; and ``calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..tables import print_table, say, say_flags
from .options import ConfigFile, Out, Set

if TYPE_CHECKING:
    from ..regions.region_config import RegionSearchConfig
    from ..stages.search_result import SearchResults

__all__ = ["calibrate", "hunt", "report", "run", "score"]


def score(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Score every event in every window, by models that never saw it."""
    from ..config.reading import load_config
    from ..search_run import score_search
    from ..stages.run import Run

    config = load_config(file, overrides or [], out=out)
    score_search(config, process=False)
    typer.echo(f"scores are in {Run(config).folder / 'scores'}")


def hunt(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Fit, scan and throw pseudo-experiments: scores to results.json and workspace.json."""
    from ..config.reading import load_config
    from ..search_run import hunt_search
    from ..stages.run import Run

    config = load_config(file, overrides or [], out=out)
    _show(hunt_search(config), Run(config).folder)


def run(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Do a whole search, from event files to the report; an interrupted one goes on."""
    from ..regions.region_config import RegionSearchConfig, load_any_search
    from ..search_run import run_search
    from ..stages.run import Run

    config = load_any_search(file, overrides or [], out=out)
    if isinstance(config, RegionSearchConfig):
        _run_in_regions(config)
    else:
        _show(run_search(config), Run(config).folder)


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.", metavar="DIR")],
) -> None:
    """Write report.html anew from the results of a run."""
    from ..regions.region_report import write_region_report
    from ..report.report import write_report

    write = write_region_report if (folder / "regions.json").is_file() else write_report
    typer.echo(f"report: {write(folder)}")


def calibrate(
    file: ConfigFile,
    out: Out = None,
    overrides: Set = None,
    pseudo_datasets: Annotated[
        int | None,
        typer.Option("--pseudo-datasets", min=1, help="How many; by default 20, or the file's."),
    ] = None,
) -> None:
    """Repeat a finished search, training included, on background-only pseudo-datasets."""
    from ..config.reading import load_config
    from ..search_run import calibrate_search
    from ..stages.run import Run

    number = [f"pseudo_datasets.number={pseudo_datasets}"] if pseudo_datasets else []
    config = load_config(file, [*(overrides or []), *number], out=out)
    retrained = calibrate_search(config)
    whole = retrained.global_p
    relation = "≤" if whole.is_limit else "="
    typer.echo(
        f"largest local significance {retrained.z_local:.1f}σ: p_global {relation} "
        f"{whole.p_global:.2g} ± {whole.p_global_error:.2g} from {len(retrained.datasets)} "
        f"pseudo-datasets trained anew, {retrained.p_pseudo_experiments:.2g} from "
        "pseudo-experiments\n"
        f"agreement of both (Kolmogorov-Smirnov): p = {retrained.ks_p_value:.2g}\n"
        f"result: {Run(config).folder / 'pseudodata.json'}"
    )


def _run_in_regions(config: RegionSearchConfig) -> None:
    """Do a search in regions, and print its tables."""
    from ..regions.region_run import run_regions

    results = run_regions(config)
    say_flags(results.flags)
    print_table(results.table())
    if results.signals:
        print_table(results.signals_table())
    typer.echo(f"report: {config.folder / 'report.html'}")
    say(results.sentence, style="bold")


def _show(results: SearchResults, folder: Path) -> None:
    """Print the summary table; its last line names the mass and both significances."""
    say_flags(results.flags)
    print_table(results.table())
    if (folder / "report.html").is_file():
        typer.echo(f"report: {folder / 'report.html'}")
    say(results.sentence, style=None if results.best is None else "bold")
