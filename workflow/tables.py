"""Tables and messages on the terminal, as the commands print them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isinf, sqrt

from rich.console import Console
from rich.markup import escape

from ..core.tables import Style, Table

__all__ = ["print_table", "rejection_text", "say", "say_flags", "show_table"]


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    words: int = 0,
    styles: Mapping[int, Style] | None = None,
) -> None:
    """Print a table.

    Parameters
    ----------
    columns : sequence of str
        Their headings.
    rows : iterable of sequence of str
        The cells, as plain text.
    title : str
        Above the table.
    words : int
        How many of the first columns hold words; the others hold numbers and are aligned right.
    styles : mapping of int to {"bold", "dim"}, optional
        Rows that stand out, by their index: ``{3: "bold"}``.

    Examples
    --------
    >>> show_table(["cut", "events"], [["read", "900"], ["two jets", "750"]], words=1)
    ┏━━━━━━━━━━┳━━━━━━━━┓
    ┃ cut      ┃ events ┃
    ┡━━━━━━━━━━╇━━━━━━━━┩
    │ read     │    900 │
    │ two jets │    750 │
    └──────────┴────────┘
    """
    cells = tuple(tuple(row) for row in rows)
    table = Table(title, tuple(columns), cells, styles=styles or {}, left=words)
    print_table(table)


def print_table(table: Table) -> None:
    """Print a table with all its rows, without the notes.

    Examples
    --------
    >>> print_table(Table("", ("cut", "events"), (("read", "900"),), left=1))
    ┏━━━━━━┳━━━━━━━━┓
    ┃ cut  ┃ events ┃
    ┡━━━━━━╇━━━━━━━━┩
    │ read │    900 │
    └──────┴────────┘
    """
    Console().print(table.rich())


def say(text: str, *, style: str | None = None) -> None:
    """Print a line of plain text, however long, in a style of rich's."""
    Console().print(escape(text), style=style, soft_wrap=True)


def say_flags(flags: Iterable[str]) -> None:
    """Print what a reader must know of a result, a line each."""
    for flag in flags:
        Console().print(f"[yellow]flag:[/] {escape(flag)}", soft_wrap=True)


def rejection_text(value: float | None, background: int | None) -> str:
    """Return a rejection with its error, that of the number of background jets which pass.

    Parameters
    ----------
    value : float or None
        The rejection; None where no background passes.
    background : int or None
        Jets of background of which it is; without them there is no error.

    Examples
    --------
    >>> rejection_text(100.0, 400), rejection_text(None, 400), rejection_text(100.0, None)
    ('100 ± 50', '∞', '100')
    """
    if value is None or isinf(value):
        return "∞"
    return f"{value:.0f}" + (f" ± {value * sqrt(value / background):.0f}" if background else "")
