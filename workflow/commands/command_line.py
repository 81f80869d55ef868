"""The command line: all commands, what holds for each of them, and how errors are said."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from ...core import extra_for
from ...core.progress_bar import set_quiet
from .challenging import challenge
from .combining import combine
from .comparing import benchmark
from .door import exit_code_and_sentence
from .expecting import expect
from .limiting import limits
from .listing import features, methods, processors
from .processing import process
from .searching import calibrate, hunt, report, run, score
from .simulating import simulate
from .streaming import stream
from .tagging import tag
from .validating import validate

__all__ = ["app", "main"]

GLOBAL_FLAGS = ("--quiet", "--debug")
_INTERRUPTED, _STOPPED = 130, 143

app = typer.Typer(
    name="overdensity",
    help="From event files to a calibrated global p-value, without naming the new particle first.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for _command in (
    simulate, process, expect, score, hunt, run, calibrate, limits, combine, report, benchmark,
    stream, methods, processors, features,
):  # fmt: skip
    app.command()(_command)
app.add_typer(validate)
app.add_typer(challenge)
app.add_typer(tag)

logger = logging.getLogger("overdensity")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: an error is one sentence, with exit code 2 if it is the user's, else 1.

    Parameters
    ----------
    arguments : list of str, optional
        The words after ``overdensity``; by default those of this process.

    Raises
    ------
    SystemExit
        Always, with the exit code.

    Examples
    --------
    >>> main(["run", "none.yaml", "--debug"])
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: none.yaml: no such configuration file
    """
    words = [_at_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    flags = {word for word in words if word in GLOBAL_FLAGS}  # anywhere on the line
    words = [word for word in words if word not in GLOBAL_FLAGS]
    _set_up(quiet="--quiet" in flags)
    for terminal in (sys.stdout, sys.stderr):
        if isinstance(terminal, TextIOWrapper):  # a terminal may not know σ or ±
            terminal.reconfigure(errors="replace")
    if threading.current_thread() is threading.main_thread():  # a batch system asks to stop
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(_STOPPED))
    try:
        with extra_for(f"overdensity {words[0]}" if words else "overdensity"):
            app(words, prog_name="overdensity")
    except KeyboardInterrupt:
        _end_interrupted()
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer makes one of a Ctrl-C, and says nothing
            _end_interrupted()
        if end.code == _STOPPED:
            _say_ended("stopped")
        raise
    except Exception as error:
        if "--debug" in flags:
            raise
        code, sentence = exit_code_and_sentence(error)
        with suppress(OSError):  # nobody can read it, and the exit code says as much
            Console(stderr=True).print(f"[bold red]error:[/] {escape(sentence)}", soft_wrap=True)
        sys.exit(code)


def _at_home(word: str) -> str:
    """Return a word of the line with the home folder for ``~``, which no shell replaces in --out=~/x."""
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={_at_home(value)}" if value.startswith("~") else word
    return os.path.expanduser(word) if word.startswith("~/") or word == "~" else word


def _end_interrupted() -> NoReturn:
    """Say what Ctrl-C did, and end the process."""
    _say_ended("interrupted")
    # Python remembers an interrupt in code that was made of text, as that of a dataclass, until the next
    # such code, and would end by the signal in place of the exit code.
    exec("")  # noqa: S102
    sys.exit(_INTERRUPTED)


def _say_ended(how: str) -> None:
    Console(stderr=True).print(f"{how}; run again to go on from here")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"overdensity {version('overdensity')}")
        raise typer.Exit


@app.callback()
def _about(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log lines in place of bars.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    print_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version, and stop.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """From event files to a calibrated global p-value."""


def _set_up(*, quiet: bool) -> None:
    """Send log lines to the terminal, and keep libraries' chatter out of it."""
    terminal = Console(stderr=True)
    plain = quiet or not terminal.is_terminal
    set_quiet(quiet=quiet)
    handler: logging.Handler = (
        logging.StreamHandler()
        if plain
        else RichHandler(console=terminal, show_path=False, show_time=False)
    )
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[handler],
    )
    logger.setLevel(logging.INFO if plain else logging.WARNING)
    # Dask, when it is imported, has its loggers tell everything from INFO on, and leaves the lines to
    # the handler of the root where there is one, as now. This one takes them, and passes warnings only.
    library = logging.getLogger("distributed")
    if not library.handlers:
        chatter = logging.StreamHandler()
        chatter.setLevel(logging.WARNING)
        chatter.setFormatter(handler.formatter)
        library.addHandler(chatter)
        library.propagate = False
    warnings.filterwarnings("ignore", module="coffea|dask|distributed|pyhf")
