"""Results as short tables: plain text for a terminal, HTML for a notebook, rich for the command line."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rich.markup import escape
from rich.table import Table as RichTable

__all__ = ["Printed", "Style", "Table"]

Style = Literal["bold", "dim"]

LINES = 40
"""Lines that a printed table has at most."""

_WIDTH = 100  # of a note, in characters


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of text, and notes below them.

    Attributes
    ----------
    title : str
        Above the table.
    columns : tuple of str
        Headings.
    rows : tuple of tuple of str
        A cell for each column.
    styles : mapping of int to {"bold", "dim"}
        Rows that stand out, or step back, by their index.
    left : int
        How many columns, from the first on, are words: they are aligned to the left.
    notes : tuple of str
        Sentences below the table.

    Examples
    --------
    >>> table = Table("Planets", ("name", "moons"), (("Mars", "2"), ("Venus", "0")), left=1)
    >>> print(table.text())
    Planets
    name   moons
    ------------
    Mars       2
    Venus      0
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    styles: Mapping[int, Style] = field(default_factory=dict)
    left: int = 0
    notes: tuple[str, ...] = ()

    def text(self, lines: int = LINES) -> str:
        """Return the table as plain text of so many lines at most.

        Where there are more, notes and then rows are left out, those in bold last; a line says how
        many.

        Examples
        --------
        >>> rows = tuple((str(n), str(n**2)) for n in range(100))
        >>> print(Table("Squares", ("n", "n²"), rows, styles={60: "bold"}).text(lines=7))
        Squares
         n    n²
        --------
         0     0
         1     1
        60  3600
        … 97 rows more
        """
        notes = [
            line
            for note in self.notes
            for line in textwrap.wrap(f"- {note}", _WIDTH, subsequent_indent="  ")
        ]
        room = max(lines - 3, 2)  # below title, headings and rule
        space = max(room - len(self.rows), room // 4)
        if len(notes) > space:
            notes = [*notes[: space - 1], f"… {len(notes) - space + 1} lines more"]
        shown = self._kept(room - len(notes))
        hidden = len(self.rows) - len(shown)
        widths = [max(map(len, column)) for column in zip(self.columns, *shown, strict=True)]
        body = [self._line(row, widths) for row in (self.columns, *shown)]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        more = [f"… {hidden} rows more"] if hidden else []
        return "\n".join([self.title, body[0], rule, *body[1:], *more, *notes])

    def html(self) -> str:
        """Return the table as HTML.

        Examples
        --------
        >>> print(Table("a < b", ("n",), (("1",),), styles={0: "bold"}).html())
        <table><caption>a &lt; b</caption>
        <thead><tr><th>n</th></tr></thead>
        <tbody>
        <tr style="font-weight: bold"><td>1</td></tr>
        </tbody></table>
        """
        css = {"bold": ' style="font-weight: bold"', "dim": ' style="opacity: 0.6"'}
        rows = [
            f"<tr{css.get(self.styles.get(index, ''), '')}>{_cells('td', row)}</tr>"
            for index, row in enumerate(self.rows)
        ]
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return "\n".join(
            [
                f"<table><caption>{html.escape(self.title)}</caption>",
                f"<thead><tr>{_cells('th', self.columns)}</tr></thead>",
                "<tbody>",
                *rows,
                "</tbody></table>" + (f"<ul>{notes}</ul>" if notes else ""),
            ]
        )

    def markdown(self) -> str:
        """Return the table in Markdown with all rows, and the notes as a list below it.

        Examples
        --------
        >>> print(Table("", ("name", "moons"), (("Mars", "2"),), notes=("of today",)).markdown())
        | name | moons |
        | --- | --- |
        | Mars | 2 |
        <BLANKLINE>
        - of today
        <BLANKLINE>
        """
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        rows = ["| " + " | ".join(line) + " |" for line in lines]
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([*rows, *notes, ""])

    def rich(self) -> RichTable:
        """Return the table for a rich console, with all rows and without the notes.

        Examples
        --------
        >>> Table("Planets", ("name", "moons"), (("Mars", "2"),)).rich().row_count
        1
        """
        table = RichTable(title=escape(self.title))
        for index, name in enumerate(self.columns):
            longest = max((len(row[index]) for row in self.rows), default=0)
            # Headings break into lines before the numbers below them have to.
            heading = "\n".join(textwrap.wrap(name, max(longest, *map(len, name.split()), 1)))
            justify = "left" if index < self.left else "right"
            table.add_column(escape(heading), justify=justify)
        for index, row in enumerate(self.rows):
            table.add_row(*map(escape, row), style=self.styles.get(index))
        return table

    def _kept(self, room: int) -> list[tuple[str, ...]]:
        """Return the rows that fit into so many lines, one of them for the rows left out."""
        if len(self.rows) <= room:
            return list(self.rows)
        bold = [index for index in range(len(self.rows)) if self.styles.get(index) == "bold"]
        others = [index for index in range(len(self.rows)) if index not in bold]
        first = (bold + others)[: max(room - 1, 1)]
        return [self.rows[index] for index in sorted(first)]

    def _line(self, row: tuple[str, ...], widths: list[int]) -> str:
        """Return one row as text."""
        cells = [
            cell.ljust(width) if index < self.left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()


class Printed:
    """Mixin of a result that is printed as a table, in a terminal and in a notebook.

    Examples
    --------
    >>> class Planets(Printed):
    ...     def table(self) -> Table:
    ...         return Table("Planets", ("name",), (("Mars",),), left=1)
    >>> print(Planets())
    Planets
    name
    ----
    Mars
    """

    def table(self) -> Table:
        """Return the result as a table."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the table as text of 40 lines at most."""
        return self.table().text()

    def _repr_html_(self) -> str:
        """Return the table as HTML, which notebooks show."""
        return self.table().html()


def _cells(tag: str, row: tuple[str, ...]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
