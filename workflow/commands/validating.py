"""``overdensity validate``: checks of the statistics on pseudo-experiments."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..tables import show_table
from .options import Out, Set

__all__ = ["validate"]


class Check(StrEnum):
    """What can be validated."""

    BIAS = "bias"


def validate(
    check: Annotated[Check, typer.Argument(help="What is checked: bias of background functions.")],
    file: Annotated[Path, typer.Argument(help="The configuration of a search.", metavar="FILE")],
    out: Out = None,
    overrides: Set = None,
    toys: Annotated[int, typer.Option(min=100, help="Pseudo-experiments of each mass.")] = 1000,
) -> None:
    """Let every background function generate and every function fit; writes bias.json."""
    from ..config.reading import load_config
    from ..uncertainties.bias_check import BIASED, check_bias

    del check  # there is but one
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
