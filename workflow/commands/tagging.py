"""``overdensity tag``: a tagger is trained on labelled jets, and applied to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..tables import rejection_text, say_flags, show_table
from .options import Hyper

__all__ = ["apply", "export", "select", "tag", "train"]

tag = typer.Typer(name="tag", help="Train a tagger of jets, and apply it.", no_args_is_help=True)

Jets = Annotated[
    list[str],
    typer.Argument(help="Columns of jets: Parquet files, or folders.", metavar="COLUMNS..."),
]
TaggerFile = Annotated[Path, typer.Argument(help="The file of a tagger.", metavar="TAGGER")]
Mass = Annotated[
    str,
    typer.Option(
        "--mass", help="Any column of masses, which every event has; taggers do not see it."
    ),
]


@tag.command()
def train(  # noqa: PLR0917 - typer knows arguments by their names
    files: Jets,
    out: Annotated[Path, typer.Option("--out", help="The file of the tagger.", metavar="FILE")],
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            help="What it learns from: constituents and numbers, with commas between them.",
        ),
    ] = "constituents",
    kind: Annotated[
        str | None,
        typer.Option(help="particlenet (default), part, lorentznet, pcnn or pfn."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="A tagger whose weights to begin with.", metavar="FILE"),
    ] = None,
    members: Annotated[int, typer.Option(min=1, max=100, help="Networks, which are averaged.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Decides weights and batches.")] = 1,
    overrides: Hyper = None,
    mass: Mass = "mjj",
) -> None:
    """Train a tagger on labelled jets; a tenth of them tests it."""
    from ..taggers.training import train_to_file

    kind, reached = train_to_file(
        files,
        out,
        columns=_names(columns),
        kind=kind,
        overrides=overrides or [],
        start=start,
        members=members,
        seed=seed,
        mass=mass,
    )
    show_table(
        ("tagger", "test jets", "accuracy", "AUC", "rejection at 50 %", "rejection at 30 %"),
        [
            (
                kind,
                f"{reached.jets}",
                f"{reached.accuracy:.4f}",
                f"{reached.auc:.4f}",
                rejection_text(reached.rejection_50, reached.background),
                rejection_text(reached.rejection_30, reached.background),
            )
        ],
        words=1,
    )
    typer.echo(f"tagger: {out}")


@tag.command()
def apply(  # noqa: PLR0917 - typer knows arguments by their names
    tagger: TaggerFile,
    files: Jets,
    out: Annotated[Path, typer.Option("--out", help="Folder of the columns with the score.")],
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            help="What the columns are called here, if not as in training: numbers first.",
        ),
    ] = None,
    column: Annotated[str, typer.Option("--column", help="Name of the score.")] = "tag",
    mass: Mass = "mjj",
) -> None:
    """Write columns anew, with the score of each jet as one more."""
    from ...ml.tagging.tagger_file import load_tagger
    from ..taggers.applying import score_files

    trained = load_tagger(tagger)
    if columns is not None:
        trained = trained.renamed(_names(columns))
    scored = score_files(trained, files, out, column=column, mass=mass)
    if scored.known:
        flag = (
            f"{scored.known} of {scored.jets} jets have the ids of events that the tagger learnt "
            "from; their scores are not those of jets it has never seen"
        )
        say_flags([flag])
    typer.echo(f"{scored.jets} jets in {len(scored.files)} files: {out}")


@tag.command()
def export(
    tagger: TaggerFile,
    out: Annotated[Path, typer.Option("--out", help="The ONNX file.", metavar="FILE.onnx")],
) -> None:
    """Write a tagger as an ONNX file, which a processor runs: features: [{tag: FILE.onnx}]."""
    from ...core.files.outputs import refuse_unwritable
    from ...ml.tagging.onnx_export import export_tagger
    from ...ml.tagging.tagger_file import load_tagger

    refuse_unwritable(out)
    declared = export_tagger(load_tagger(tagger), out)
    reads = [
        each.get("features", [each.get("constituents")]) for each in declared["inputs"].values()
    ]
    typer.echo(f"reads {', '.join(name for names in reads for name in names)} of a jet: {out}")


@tag.command()
def select(  # noqa: PLR0917 - typer knows arguments by their names
    files: Jets,
    out: Annotated[Path, typer.Option("--out", help="The file of names.", metavar="FILE.json")],
    candidates: Annotated[
        str, typer.Option("--candidates", help="Columns of numbers; efps are one for each graph.")
    ] = "efps",
    start: Annotated[
        str, typer.Option("--start", help="Columns that are known before; '' for none.")
    ] = "mass,pt",
    most: Annotated[int, typer.Option("--most", min=1, help="Features to choose.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Decides parts and networks.")] = 1,
) -> None:
    """Choose the few features that tell jets apart, one by one, by distance correlation."""
    from ...ml.tagging.feature_choice import ChoiceHyper
    from ..taggers.choosing import choose_to_file

    found = choose_to_file(
        files,
        out,
        candidates=_names(candidates),
        start=_names(start) if start else [],
        hyper=ChoiceHyper(most=most),
        seed=seed,
    )
    show_table(
        ("feature", "dCorr", "confused jets", "AUC", "rejection at 50 %", "rejection at 30 %"),
        [
            (
                each.name,
                "" if each.dcorr is None else f"{each.dcorr:.3f}",
                f"{each.confused}",
                f"{each.auc:.4f}",
                rejection_text(each.rejection_50, each.background),
                rejection_text(each.rejection_30, each.background),
            )
            for each in found.rounds
        ],
        words=1,
    )
    typer.echo(f"{len(found.names)} features: {out}")


def _names(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",")]
