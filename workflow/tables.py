"""Tables and messages on the terminal, as the commands print them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

__all__ = ["say", "say_flags", "show_table"]

_console = Console()


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    words: int = 0,
    styles: Mapping[int, str] | None = None,
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
    styles : mapping of int to str, optional
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
    table = Table(
        *(
            Column(escape(name), justify="left" if index < words else "right", no_wrap=index == 0)
            for index, name in enumerate(columns)
        ),
        title=escape(title) or None,
    )
    for index, row in enumerate(rows):
        table.add_row(*map(escape, row), style=(styles or {}).get(index))
    _console.print(table)


def say(text: str, *, style: str | None = None) -> None:
    """Print a line of plain text, however long, in a style of rich's."""
    _console.print(escape(text), style=style, soft_wrap=True)


def say_flags(flags: Iterable[str]) -> None:
    """Print what a reader must know of a result, a line each."""
    for flag in flags:
        _console.print(f"[yellow]flag:[/] {escape(flag)}", soft_wrap=True)
