"""``overdensity validate``: tests of what a search assumes of its background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..tables import say, say_flags, show_table
from .options import ConfigFile, Out, Set

if TYPE_CHECKING:
    from ...ml import Comparison

__all__ = ["bias", "compare", "region", "validate"]

validate = typer.Typer(
    name="validate", help="Test what a search assumes of its background.", no_args_is_help=True
)


@validate.command()
def bias(
    file: ConfigFile,
    out: Out = None,
    overrides: Set = None,
    toys: Annotated[
        int, typer.Option(min=100, max=100_000, help="Pseudo-experiments of each mass.")
    ] = 1000,
    every: Annotated[
        bool,
        typer.Option("--all", help="Show all functions that fit, not that of the search alone."),
    ] = False,
) -> None:
    """Let every background function generate and every function fit; writes bias.json."""
    from ..config.reading import load_config
    from ..uncertainties.bias_check import BIASED, check_bias

    config = load_config(file, overrides or [], out=out)
    found, path = check_bias(config, toys=toys)
    shown = [cell for cell in found.cells if every or cell.fits == config.fit.function]
    show_table(
        ("events", "injected", "generates", "fits", "mean pull", "at"),
        [
            (
                f"{cell.events:.0f}",
                f"{cell.injected:g}σ",
                cell.generates,
                cell.fits,
                f"{cell.pull:+.2f} ± {cell.pull_error:.2f}"
                + (" !" if abs(cell.pull) > BIASED else ""),
                f"{cell.mass:.0f} GeV",
            )
            for cell in shown
        ],
        title="mean pull of the signal yield, at the mass where it is largest",
        words=4,
    )
    typer.echo(
        f"!: a mean pull beyond ±{BIASED:g}, of a function that takes the other's background for signal; "
        f"the search fits {config.fit.function}"
    )
    if rest := len(found.cells) - len(shown):
        typer.echo(f"{rest} rows of the functions that the search does not fit: --all, or the file")
    typer.echo(f"bias: {path}")


@validate.command()
def region(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Do the same search on the events outside its region, where no signal is expected."""
    from ..config.reading import load_config
    from ..report.validation_section import validation_sentence
    from ..search_run import validate_region
    from ..stages.run import Run

    config = load_config(file, overrides or [], out=out)
    found, folder = validate_region(config), Run(config).folder
    say_flags(found.flags)
    say(validation_sentence(found), style="bold")
    searched = (folder / "report.html").is_file()
    typer.echo(f"report: {folder / 'validation' / 'report.html'}")
    if searched:
        typer.echo(f"beside the search: {folder / 'report.html'}")


@validate.command()
def compare(  # noqa: PLR0917 - typer knows arguments by their names
    data: Annotated[
        str, typer.Argument(help="Columns of data: Parquet, a folder or a pattern.", metavar="DATA")
    ],
    simulation: Annotated[
        str, typer.Argument(help="Columns of simulation; 'weight' counts.", metavar="SIMULATION")
    ],
    features: Annotated[str, typer.Option(help="Columns that are compared, commas between them.")],
    groups: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Whole numbers: the region of an event.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the result.")] = Path("comparison"),
    folds: Annotated[int, typer.Option(help="The first is learnt from, and never tested.")] = 5,
    permutations: Annotated[int, typer.Option(help="Of data and simulation.")] = 9999,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, trainings and permutations.")] = 1,
) -> None:
    """Do data and simulation differ in any region? One global p; writes comparison.json."""
    from ..compare.compared_run import compare_files

    found = compare_files(
        data,
        simulation,
        out,
        features=[name.strip() for name in features.split(",") if name.strip()],
        groups=groups,
        folds=folds,
        permutations=permutations,
        seed=seed,
    )
    _show_comparison(found.result)
    typer.echo(f"figure: {out / 'comparison.png'}; record: {out / 'comparison.json'}")


def _show_comparison(found: Comparison) -> None:
    """Print a line a region, and the global p-value below."""
    say_flags(found.flags)
    columns = ("region", "differs most", "by", "data", "simulation", "AUC", "p local", "z local")
    rows = [
        (
            region.name,
            region.features[0].name,
            f"{region.features[0].distance:.3f}",
            f"{region.n_data}",
            f"{region.expected:.1f}",
            f"{region.auc:.3f}",
            f"{region.p_local:.2g}",
            f"{region.z_local:.1f}",
        )
        for region in found.regions
    ]
    show_table(columns, rows, title="shapes of data and simulation", words=2)
    relation = "≤" if found.is_limit else "="
    say(f"global p {relation} {found.p_global:.2g} ({found.z_global:.1f}σ)", style="bold")
