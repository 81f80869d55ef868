"""``overdensity expect``."""

from __future__ import annotations

import typer

from ..tables import say, say_flags, show_table
from .options import ConfigFile, Out, Set

__all__ = ["expect"]


def expect(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Say how much signal would be seen, without looking at the signal regions."""
    from ..config.reading import load_config
    from ..search_run import expect_reach
    from ..stages.run import Run

    config = load_config(file, overrides or [], out=out)
    found, folder = expect_reach(config), Run(config).folder
    say_flags(found.flags)
    table = found.table()
    show_table(table.columns, table.rows, title=table.title, words=table.left)
    for sentence in found.assumptions:
        say(f"- {sentence}")
    typer.echo(f"expected reach: {folder / 'expected.json'}, figures in {folder / 'expected'}")
