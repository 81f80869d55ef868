"""``overdensity limits``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ..tables import say_flags, show_table
from .options import ConfigFile, Out, Set

if TYPE_CHECKING:
    from ..limits.limits_result import LimitsResults

__all__ = ["limits"]


def limits(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Set upper limits, on events and on signal models; an interrupted campaign goes on."""
    from ..config.reading import load_config
    from ..search_run import run_limits
    from ..stages.run import Run

    config = load_config(file, overrides or [], out=out)
    found, folder = run_limits(config), Run(config).folder
    say_flags(found.flags)
    if found.signals:
        _show_signals(found)
    else:
        _show_selected_events(found)
    hepdata = folder / "limits.hepdata"
    beside = f", for HEPData: {hepdata}" if hepdata.is_dir() else ""
    typer.echo(f"limits: {folder / 'limits.json'}{beside}")


def _show_selected_events(found: LimitsResults) -> None:
    """Print the limits on selected events, where there is no signal model."""
    from ...stats.search.printed import selection_name

    show_table(
        ("window [GeV]", "selection", "observed", "median expected"),
        [
            (
                f"{window.low:.0f}-{window.high:.0f}",
                selection_name(row.efficiency),
                _events(row.observed),
                _events(row.expected[2] if row.expected else None),
            )
            for window in found.windows
            for row in window.selections
        ],
        title=f"{100 * found.level:g} % CLs upper limits on selected signal events",
    )


def _show_signals(found: LimitsResults) -> None:
    """Print the limits on signal models, with the training as it was and repeated."""
    from ...stats.search.printed import selection_name

    rows = []
    for signal in found.signals:
        for training, limit in (("as it was", signal.fixed), ("repeated", signal.injected)):
            if limit is None:
                continue
            beyond = limit.observed is None and limit is signal.injected
            rows.append(
                (
                    signal.name,
                    training,
                    selection_name(limit.efficiency),
                    f"> {signal.points[-1].strength:g}" if beyond else _events(limit.observed),
                    _events(limit.expected[2]),
                    _events(limit.cross_section_observed),
                )
            )
    show_table(
        ("signal", "training", "selection", "observed", "median expected", "observed in fb"),
        rows,
        title=f"{100 * found.level:g} % CLs upper limits on signal events before selection",
        words=1,
    )


def _events(number: float | None) -> str:
    return "-" if number is None else f"{number:.3g}"
