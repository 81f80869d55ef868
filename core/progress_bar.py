"""One small wrapper over rich: bars on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

__all__ = ["live_table", "progress", "quietly", "set_quiet"]

logger = logging.getLogger(__name__)

_LOG_EVERY = 10.0  # seconds between two log lines of one task
_LOG_STILL = 60.0  # where nothing has come since the last one


class _Style:
    """How progress is shown in this process; set once by the command line."""

    quiet = False


def set_quiet(*, quiet: bool) -> None:
    """Show log lines instead of bars, also on a terminal."""
    _Style.quiet = quiet


@contextmanager
def quietly() -> Iterator[None]:
    """Show no bars in the context: where a task of many has parts of its own.

    Examples
    --------
    >>> with quietly(), progress("a part", total=1) as advance:
    ...     advance(1)
    """
    before = _Style.quiet
    _Style.quiet = True
    try:
        yield
    finally:
        _Style.quiet = before


@contextmanager
def progress(description: str, total: int, *, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show the progress of a long task.

    Parameters
    ----------
    description : str
        What is being done, such as ``"processing"``.
    total : int
        How many steps there are.
    unit : str
        What a step is, such as ``"chunks"``.

    Yields
    ------
    callable
        ``advance(n)``, to be called after ``n`` more steps are done.

    Examples
    --------
    >>> with progress("processing", total=3, unit="chunks") as advance:
    ...     for _ in range(3):
    ...         advance(1)
    """
    console = Console(stderr=True)
    if console.is_terminal and not _Style.quiet:
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        ) as bar:
            task = bar.add_task(description, total=total)
            yield lambda n: bar.advance(task, n)
        return

    start = last = time.monotonic()
    done = logged = 0

    def advance(n: int) -> None:
        nonlocal done, last, logged
        done += n
        now = time.monotonic()
        if now - last >= (_LOG_STILL if done == logged else _LOG_EVERY):
            last, logged = now, done
            logger.info("%s: %d of %d %s", description, done, total, unit)

    yield advance
    logger.info("%s: %d %s in %.1f s", description, done, unit, time.monotonic() - start)


@contextmanager
def live_table(title: str) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Show the state of a long task as a small table that changes in place.

    Parameters
    ----------
    title : str
        What is being done, such as ``"processing"``.

    Yields
    ------
    callable
        ``show(rows)``, with the names of quantities and their values in words. Where there is no
        terminal it writes them as a log line now and then, and once at the end.
    """
    console = Console(stderr=True)
    if console.is_terminal and not _Style.quiet:
        with Live(console=console, auto_refresh=False) as live:

            def draw(rows: Mapping[str, str]) -> None:
                table = Table(title=title, show_header=False, title_justify="left")
                for name, text in rows.items():
                    table.add_row(name, text)
                live.update(table, refresh=True)

            yield draw
        return

    last = time.monotonic()
    latest: Mapping[str, str] = {}
    logged: Mapping[str, str] = {}

    def log() -> None:
        nonlocal logged
        logged = latest
        logger.info("%s: %s", title, ", ".join(f"{name} {text}" for name, text in latest.items()))

    def show(rows: Mapping[str, str]) -> None:
        nonlocal last, latest
        latest = rows
        if time.monotonic() - last >= _LOG_EVERY:
            last = time.monotonic()
            log()

    yield show
    if latest != logged:
        log()
