"""One small wrapper over rich: bars on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["progress", "set_quiet"]

logger = logging.getLogger(__name__)

_LOG_EVERY = 10.0  # seconds between two log lines of one task


class _Style:
    """How progress is shown in this process; set once by the command line."""

    quiet = False


def set_quiet(*, quiet: bool) -> None:
    """Show log lines instead of bars, also on a terminal."""
    _Style.quiet = quiet


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
    done = 0

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= _LOG_EVERY:
            last = now
            logger.info("%s: %d of %d %s", description, done, total, unit)

    yield advance
    logger.info("%s: %d %s in %.1f s", description, done, unit, time.monotonic() - start)
