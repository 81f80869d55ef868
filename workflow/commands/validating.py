"""``overdensity validate``: tests of what a search assumes of its background."""

from __future__ import annotations

from typing import Annotated

import typer

from ..tables import say, say_flags, show_table
from .options import ConfigFile, Out, Set

__all__ = ["bias", "region", "validate"]

validate = typer.Typer(
    name="validate", help="Test what a search assumes of its background.", no_args_is_help=True
)


@validate.command()
def bias(
    file: ConfigFile,
    out: Out = None,
    overrides: Set = None,
    toys: Annotated[int, typer.Option(min=100, help="Pseudo-experiments of each mass.")] = 1000,
) -> None:
    """Let every background function generate and every function fit; writes bias.json."""
    from ..config.reading import load_config
    from ..uncertainties.bias_check import BIASED, check_bias

    found, path = check_bias(load_config(file, overrides or [], out=out), toys=toys)
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
            for cell in found.cells
        ],
        title="mean pull of the signal yield, at the mass where it is largest",
        words=4,
    )
    typer.echo(f"bias: {path}")


@validate.command()
def region(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Do the same search on the events outside its region: without signal, it finds nothing."""
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
