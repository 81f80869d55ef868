"""A receipt beside each table of the documents: what was run to make it, and what came out.

A receipt in ``docs/receipts/`` holds the tables that a benchmark printed, with the command, the
commit and the seed. ``tests/test_receipts.py`` holds the pages against them, so that a study of an
hour needs no hour in CI and no figure of a page drifts.

    python -P benchmarks/receipts.py make --page docs/calibration.md \
        --section "An injected peak" --seed "3, strength, dataset" \
        calibration_strength benchmarks/calibration.py strength --figures docs/figures
    python -P benchmarks/receipts.py update     # put the tables of the receipts into the pages
"""

from __future__ import annotations

import argparse
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from overdensity.core import Record

__all__ = ["Receipt", "Table", "is_shown", "make", "read_receipts", "tables_of", "updated"]

ROOT = Path(__file__).resolve().parents[1]
RECEIPTS = ROOT / "docs" / "receipts"
_CODE = ("core", "processors", "ml", "stats", "simulation", "workflow", "benchmarks")


@dataclass(frozen=True)
class Table(Record):
    """A table, cell by cell as it is printed.

    Attributes
    ----------
    header : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        As many cells as the header has.
    caption : str
        The line before the table, if it is no heading.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def __str__(self) -> str:
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{self.caption}\n\n{table}" if self.caption else table


@dataclass(frozen=True)
class Receipt(Record):
    """What a study was run with, and its tables.

    Attributes
    ----------
    page : str
        Document that shows the tables, from the root of the repository.
    section : str
        Heading under which they stand.
    command : str
        As it was run, from the root of the repository.
    commit : str
        Of the code that ran; with a ``+`` where files differed from it.
    seed : str
        The seed, or what the seeds are made of.
    cpu_seconds : float
        CPU time of all processes.
    tables : tuple of Table
        All that were printed.
    """

    page: str
    section: str
    command: str
    commit: str
    seed: str
    cpu_seconds: float
    tables: tuple[Table, ...]


def tables_of(text: str) -> dict[str, list[Table]]:
    """Return the tables of a Markdown page by the heading above them."""
    found: dict[str, list[Table]] = {}
    heading, before, fenced = "", "", False
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        fenced ^= line.startswith("```")
        if line.startswith("|") and not fenced:
            block.append(line.strip())
            continue
        if len(block) > 1:
            header, _, *rows = (tuple(x.strip() for x in row[1:-1].split(" | ")) for row in block)
            found.setdefault(heading, []).append(Table(header, tuple(rows), before))
        if line.startswith("#") and not fenced:
            heading, before = line.lstrip("# "), ""
        elif line or block:
            before = line
        block = []
    return found


def is_shown(table: Table, shown: Sequence[Table]) -> bool:
    """Whether a table stands among others, with its caption if it has one."""
    return any(
        (table.header, table.rows) == (other.header, other.rows)
        and table.caption in {"", other.caption}
        for other in shown
    )


def read_receipts() -> dict[str, Receipt]:
    """Return all receipts by name."""
    return {path.stem: Receipt.from_json(path) for path in sorted(RECEIPTS.glob("*.json"))}


def make(name: str, words: Sequence[str], *, page: str, section: str, seed: str) -> Receipt:
    """Run a benchmark and store the tables that it prints as ``docs/receipts/<name>.json``.

    Parameters
    ----------
    name : str
        Of the receipt.
    words : sequence of str
        The script, from the root of the repository, and its arguments.
    page, section, seed : str
        As in :class:`Receipt`.

    Raises
    ------
    subprocess.CalledProcessError
        If the benchmark fails.
    """
    commit = _commit()  # before the benchmark draws figures
    done = subprocess.run(
        [sys.executable, "-P", *words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    sys.stdout.write(done.stdout)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tables = [table for some in tables_of(done.stdout).values() for table in some]
    receipt = Receipt(
        page=page,
        section=section,
        command=shlex.join(["python", "-P", *words]),
        commit=commit,
        seed=seed,
        cpu_seconds=round(used.ru_utime + used.ru_stime, 1),
        tables=tuple(tables),
    )
    receipt.to_json(RECEIPTS / f"{name}.json")
    return receipt


def updated(text: str, receipt: Receipt) -> str:
    """Return the text of a page with the tables of a receipt in the place of the older ones.

    A table replaces the one with the same header in its section, and the line before it if the
    table has a caption.
    """
    start = re.search(rf"^#+ {re.escape(receipt.section)}$", text, flags=re.MULTILINE)
    place = len(text) if start is None else start.end()
    for table in receipt.tables:
        header = "| " + " | ".join(table.header) + " |\n"
        place = text.find(header, place)
        if place < 0:
            msg = f"{receipt.page}: no table '{header.strip()}' under '{receipt.section}'"
            raise SystemExit(msg)
        end = (text + "\n\n").find("\n\n", place)
        if table.caption:
            place = text.rfind("\n", 0, place - 2) + 1
        text = text[:place] + str(table) + text[end:]
        place += len(str(table))
    return text


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("diff", "HEAD", "--", *_CODE) else "")


def main() -> None:
    """Make a receipt, or put all of them into the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("update", help="put the tables of the receipts into the pages")
    of_one = commands.add_parser("make", help="run a benchmark and store what it prints")
    of_one.add_argument("name")
    for option in ("--page", "--section", "--seed"):
        of_one.add_argument(option, required=True)
    of_one.add_argument("words", nargs=argparse.REMAINDER, metavar="benchmarks/SCRIPT.py ...")
    given = vars(parser.parse_args())
    if given.pop("command") == "make":
        make(given.pop("name"), given.pop("words"), **given)
    for receipt in read_receipts().values():
        path = ROOT / receipt.page
        path.write_text(updated(path.read_text("utf-8"), receipt), "utf-8")


if __name__ == "__main__":
    main()
