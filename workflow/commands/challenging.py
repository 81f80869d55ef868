"""``overdensity challenge``: sealed boxes are made, answered, scored and verified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ...core.tables import Table
from ..tables import print_table, say, say_flags, show_table
from .options import Out, Set
from .simulating import SetKey, Workers

__all__ = ["answer", "challenge", "make", "score", "suite", "verify"]

challenge = typer.Typer(
    name="challenge", help="Seal boxes, answer them, score answers.", no_args_is_help=True
)

KeyFile = Annotated[Path, typer.Option("--key", help="The key of the box.", metavar="KEY.json")]


@challenge.command()
def answer(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", metavar="RUN")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where the sheet goes too, besides RUN/answer.json."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Who answers; by default the method.")
    ] = None,
    box: Annotated[
        Path | None,
        typer.Option("--box", help="The box, if the run was made from columns.", metavar="BOX.h5"),
    ] = None,
    level: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Global p-value up to which a signal is claimed."),
    ] = 0.05,
) -> None:
    """Turn a run into the answer sheet: p-value, masses, prongs, number of events, abstract."""
    from ..challenge.answering import write_answer
    from ..report.answer_section import answer_rows
    from ..report.report import write_report

    sheet = write_answer(run, out=out, name=name, box=box, level=level)
    page = write_report(run)
    show_table(("answer", sheet.name), answer_rows(sheet), words=2)
    say_flags(sheet.notes)
    typer.echo(f"answer: {run / 'answer.json' if out is None else out}\nreport: {page}")
    say(sheet.abstract)


@challenge.command()
def score(
    answers: Annotated[list[Path], typer.Argument(help="Answer sheets.", metavar="ANSWER.json...")],
    keys: Annotated[
        list[Path],
        typer.Option("--key", help="The key of a box; may be repeated.", metavar="KEY.json"),
    ],
    boxes: Annotated[
        list[Path] | None,
        typer.Option(
            "--box",
            help="A box, to be held against its key; may be repeated.",
            metavar="BOX.h5",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of scores.json and the figures.")
    ] = Path("scores"),
) -> None:
    """Score answers by the keys of their boxes: a table, and four panels with pulls for each box."""
    from ..challenge.contest import score_answers

    scores, figures = score_answers(answers, keys, boxes or [], out)
    print_table(scores.details())
    _show(scores.table())
    for path in (out / "scores.json", *figures):
        typer.echo(f"written: {path}")


@challenge.command()
def verify(
    box: Annotated[Path, typer.Argument(help="A sealed box.", metavar="BOX.h5")], key: KeyFile
) -> None:
    """Check that a key is the one a box was sealed with, and that its events are unchanged."""
    from ..challenge.key import read_key
    from ..challenge.sealing import verify_box

    opened = read_key(key)
    verify_box(box, opened, named=str(key))
    typer.echo(
        f"{key} is the key of {box}: {opened.n_events} events, commitment {opened.commitment}"
    )


@challenge.command()
def make(  # noqa: PLR0917 - typer knows arguments by their names
    recipe: Annotated[
        str, typer.Argument(help="A recipe, or the name of a preset.", metavar="RECIPE")
    ],
    out: Annotated[Path, typer.Option("--out", help="The box to write.", metavar="BOX.h5")],
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Where its key goes; by default BOX.key.json.", metavar="KEY"),
    ] = None,
    total: Annotated[
        int | None,
        typer.Option(
            min=1, help="All events of the box, a round number: the largest background is made fit."
        ),
    ] = None,
    overrides: SetKey = None,
    workers: Workers = None,
) -> None:
    """Simulate a box with a secret seed, without labels; its key goes to a file apart."""
    from ..challenge.sealing import make_box, round_recipe
    from ..config.recipe import load_recipe
    from ..simulation_run import run_simulation

    sets = [*(overrides or []), *([f"workers={workers}"] if workers else [])]
    config = load_recipe(recipe, sets, out=out)
    key = key or out.with_suffix(".key.json")
    made = make_box(
        round_recipe(config.recipe, total),
        out,
        key,
        simulate=lambda what, path, seed: run_simulation(
            replace(config, recipe=what, out=path), key_file=True, seed=seed
        ),
    )
    typer.echo(
        f"box: {out}, {made.n_events} events, commitment {made.commitment}\n"
        f"key: {key}; keep it where those who search do not look"
    )


@challenge.command()
def suite(
    suite_file: Annotated[
        Path, typer.Argument(help="The suite, a YAML file.", metavar="SUITE.yaml")
    ],
    out: Out = None,
    overrides: Set = None,
) -> None:
    """Seal boxes with and without signal, search, answer and score each: rates against strength."""
    from ..suite.suite_config import load_suite
    from ..suite.suite_run import run_suite

    config = load_suite(suite_file, overrides or [], out=out)
    result = run_suite(config)
    _show(result.scores.table())
    _show(result.table())
    for name in ("suite.json", "suite.md", "suite.png"):
        typer.echo(f"written: {Path(config.out) / name}")


def _show(table: Table) -> None:
    """Print a table with its notes."""
    print_table(table)
    for line in table.notes:
        say(line)
