"""``overdensity combine``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...core import ConfigError
from ..tables import say, say_flags, show_table
from .options import Set

if TYPE_CHECKING:
    from ..combine.combined_run import CombinedSearch
    from ..config.search import SearchConfig

__all__ = ["combine"]


def combine(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Scored searches, the one that keeps common events first (trijets before dijets).",
            metavar="SEARCH.yaml...",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the result.")],
    overrides: Set = None,
) -> None:
    """Search for one resonance in several channels, such as dijets and trijets, at once."""
    from ..combine.combined_run import combine_searches
    from ..config.reading import load_config

    configs: dict[str, SearchConfig] = {}
    for file in files:
        if file.stem in configs:
            msg = (
                f"combine: two searches are named {file.stem}; channels take the names of the files"
            )
            raise ConfigError(msg)
        configs[file.stem] = load_config(file, overrides or [])
    _show(combine_searches(configs, out), out)


def _show(combined: CombinedSearch, out: Path) -> None:
    """Print all channels at all masses; the last line has the combined significances."""
    result = combined.result
    say_flags(combined.flags)
    for each in combined.events:
        typer.echo(
            f"{each.name}: {each.removed} of {each.scored} events belong to channels before it"
        )
    _show_hypotheses(combined)
    typer.echo(f"result: {out / 'combination.json'}")
    if result.best is None or result.global_p is None:
        say("no channel has a fit that may be quoted: there is no result")
        return
    for channel in result.channels:
        if channel.global_p is not None:
            bound = "≥ " if channel.global_p.is_limit else ""
            say(
                f"{channel.name} alone: local significance {channel.z_local:.1f}σ, global "
                f"significance {bound}{channel.global_p.z_global:.1f}σ"
            )
    best, whole = result.hypotheses[result.best], result.global_p
    say(
        f"combination at {best.mass:.0f} GeV: local significance {best.z_local:.1f}σ, global "
        f"significance {'≥ ' if whole.is_limit else ''}{whole.z_global:.1f}σ",
        style="bold",
    )


def _show_hypotheses(combined: CombinedSearch) -> None:
    """Print a row for each mass, with the best selection of each channel."""
    from ...stats.search.printed import probability, selection_name

    result = combined.result
    show_table(
        (
            "window [GeV]",
            *(channel.name for channel in result.channels),
            "p local",
            "z local",
        ),
        [
            (
                f"{row.low:.0f}-{row.high:.0f}",
                *(
                    "flagged"
                    if point is None
                    else f"{selection_name(point.efficiency)}: {point.observed} for "
                    f"{point.expected:.1f}, {point.z_local:.1f}σ"
                    for point in row.channels
                ),
                probability(row.p_local),
                f"{row.z_local:.1f}σ",
            )
            for row in result.hypotheses
        ],
        title="one resonance in all channels",
        styles={} if result.best is None else {result.best: "bold"},
    )
