"""``overdensity validate``: tests of what a search assumes of its background."""

from __future__ import annotations

import typer

from ..tables import say, say_flags
from .options import ConfigFile, Out, Set

__all__ = ["region", "validate"]

validate = typer.Typer(
    name="validate", help="Test what a search assumes of its background.", no_args_is_help=True
)


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
