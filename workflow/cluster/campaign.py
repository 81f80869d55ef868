"""Many long tasks whose results are files: tried again where they fail, shown as they come in."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from distributed import CancelledError, Client, Future, wait

from ...core import OverdensityError, progress
from .patience import Desertion

__all__ = ["in_file_names", "make_files", "run_campaign"]

logger = logging.getLogger(__name__)

_ATTEMPTS = 2  # of a task
_LOOK_EVERY = 5.0  # seconds, at least, for workers that are gone


def make_files(
    client: Client,
    function: Callable[..., Any],
    whole: Any,
    files: Mapping[Any, Path],
    *,
    read: Callable[[Path], object | None] | None = None,
    description: str,
    unit: str = "",
) -> None:
    """Make the files that are not there yet, each by a task; a bar shows how many there are.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    function : callable
        ``function(whole, task, path)`` writes a file; runs on a worker.
    whole : object
        What all tasks are part of, such as a configuration.
    files : mapping of object to Path
        File of each task. What a task is called follows from its ``str``.
    read : callable, optional
        Returns what a file holds, or None where it is damaged and made again (`Record.earlier`); by
        default, a file that is there is whole.
    description, unit : str
        What the bar and errors call the whole, and what the bar calls a task.

    Raises
    ------
    OverdensityError
        If tasks failed; the files of the others are kept.
    """
    wanted = {task: path for task, path in files.items() if not path.is_file()}
    if read is not None:
        wanted |= {task: path for task, path in files.items() if read(path) is None}
    missing = {str(task): task for task in wanted}
    if not missing:
        return
    with progress(description, len(files), unit=unit) as advance:
        advance(len(files) - len(missing))
        run_campaign(
            client,
            function,
            {name: (whole, task, files[task].absolute()) for name, task in missing.items()},
            description=description,
            done=lambda _: advance(1),
        )


def in_file_names(name: object) -> str:
    """Return a name with an underscore in place of what does not belong into names of files.

    Examples
    --------
    >>> in_file_names("Z' → X Y, 3.5 TeV")
    'Z_X_Y_3.5_TeV'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", str(name))


def run_campaign(
    client: Client,
    function: Callable[..., Any],
    tasks: Mapping[str, tuple[Any, ...]],
    *,
    description: str,
    done: Callable[[str], None],
) -> None:
    """Run a function on every tuple of arguments; one failure does not end the others.

    A task that fails for an unforeseen reason, such as the death of its worker, is tried again; one
    that ends with an error of ours would fail again, and is not.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    function : callable
        What is run, for the file it writes.
    tasks : dict of str to tuple
        Its arguments, by the name of the task.
    description : str
        What errors call the whole.
    done : callable
        Called with the name of each task that has finished well.

    Raises
    ------
    OverdensityError
        At the end, if tasks have failed; or if no worker is left.
    """
    desertion = Desertion(client)
    left = dict.fromkeys(tasks, _ATTEMPTS)
    failures: dict[str, str] = {}

    def submit(name: str) -> Future:
        left[name] -= 1
        return client.submit(function, *tasks[name], pure=False)

    pending = {submit(name): name for name in tasks}
    try:
        while pending:
            finished = _finished(pending)
            for future in finished:
                name = pending.pop(future)
                error = _error_of(future, description)
                if error is None:
                    done(name)
                elif left[name] and not isinstance(error, OverdensityError):
                    logger.warning("%s: %s failed and is tried again: %s", description, name, error)
                    pending[submit(name)] = name
                else:
                    failures[name] = _sentence(error)
                    logger.warning("%s: %s failed: %s", description, name, failures[name])
            if not finished and desertion.is_final():
                raise desertion.error(description, f"{len(pending)} tasks")
    finally:
        client.cancel(list(pending))
    if failures:
        name, complaint = next(iter(failures.items()))
        msg = (
            f"{description}: {len(failures)} of {len(tasks)} tasks failed, such as {name} "
            f"({complaint}); what is done is kept: run again to try the others once more"
        )
        raise OverdensityError(msg)


def _finished(pending: Mapping[Future, str]) -> list[Future]:
    """Wait a few seconds for the next tasks to finish."""
    with suppress(TimeoutError):
        wait(list(pending), timeout=_LOOK_EVERY, return_when="FIRST_COMPLETED")
    return [future for future in pending if future.done()]


def _error_of(future: Future, description: str) -> BaseException | None:
    try:
        return cast("BaseException | None", future.exception())
    except CancelledError as error:
        msg = (
            f"{description}: the cluster's scheduler is gone, or has lost the work ({error}); "
            "run again: what is done is kept"
        )
        raise OverdensityError(msg) from None


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
