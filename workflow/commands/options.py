"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "ConfigFile", "Hyper", "Out", "Set"]

ConfigFile = Annotated[Path, typer.Argument(help="The search, a YAML file.", metavar="SEARCH.yaml")]
Out = Annotated[
    str | None,
    typer.Option("--out", help="The run's folder; by default the file's 'out', or runs/<name>."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace a key of the file, with dots between levels; may be repeated.",
    ),
]
Hyper = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace a hyperparameter, with dots between levels; may be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
