"""``overdensity expect``."""

from __future__ import annotations

import typer

from ..tables import print_table, say, say_flags
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
    print_table(found.table())
    for sentence in found.assumptions:
        say(f"- {sentence}")
    typer.echo(f"expected reach: {folder / 'expected.json'}, figures in {folder / 'expected'}")
