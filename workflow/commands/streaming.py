"""``overdensity stream``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..tables import say, show_table
from .options import Hyper

if TYPE_CHECKING:
    from ..stream.stream_report import StreamReport

__all__ = ["stream"]

Place = Annotated[
    str,
    typer.Argument(
        help="A folder in which Parquet files appear, or - for Arrow batches on standard input.",
        metavar="FOLDER|-",
    ),
]
Features = Annotated[
    str, typer.Option(help="Feature columns by name, with commas between them.", metavar="A,B")
]
Folder = Annotated[
    Path, typer.Option("--out", help="Folder of what is kept; the same one goes on.", metavar="DIR")
]
Mass = Annotated[str, typer.Option(help="Column of the resonant mass, GeV.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed and stream, same result.")]
Wait = Annotated[
    float, typer.Option(min=0.0, help="Seconds without a new file after which the stream ends.")
]
Draw = Annotated[
    int | None,
    typer.Option(min=0, help="Then draw so many events as columns; 0: as many as came."),
]


def stream(  # noqa: PLR0917 - typer knows arguments by their names
    source: Place,
    features: Features,
    out: Folder,
    mass: Mass = "mjj",
    seed: Seed = 1,
    wait: Wait = 0.0,
    draw: Draw = None,
    overrides: Hyper = None,
) -> None:
    """Learn a flow from events that are seen once, and keep it in their place; draw events from it."""
    from typing import Any

    from ...core import ConfigError
    from ...core.files.listing import same_place
    from ...core.identity import no_feature
    from ...ml.hyperparameters import replaced
    from ...ml.streams.online_hyper import OnlineHyper
    from ..config.reading import apply_override
    from ..stream.partitions import ArrowStream, PartitionFolder
    from ..stream.stream_run import SUMMARY, draw_events, run_stream

    if same_place(source) == same_place(str(out)):
        msg = (
            f"--out {out}: the folder of the stream, which would count what is drawn; give another"
        )
        raise ConfigError(msg)
    if source == "-" and sys.stdin is None:  # closed by the shell: <&-
        msg = "-: standard input is closed; send record batches to it, or name a folder"
        raise ConfigError(msg)
    given: dict[str, Any] = {}
    for override in overrides or []:
        apply_override(given, override)
    names = tuple(name.strip() for name in features.split(","))
    for name in names:
        if names.count(name) > 1 or name == mass or not name:
            msg = f"--features: {name!r} stands there twice, is the mass, or is empty; name each feature once"
            raise ConfigError(msg)
    if msg := no_feature(names):
        raise ConfigError(msg)
    report = run_stream(
        ArrowStream(sys.stdin.buffer, names, mass)
        if source == "-"
        else PartitionFolder(source, names, mass),
        out,
        features=names,
        mass=mass,
        hyper=replaced(OnlineHyper(), given, of="stream"),
        seed=seed,
        wait=wait,
    )
    _show(report)
    say(f"kept: {out / SUMMARY}")
    if draw is not None:
        say(f"drawn: {draw_events(out, draw or None, seed=seed)}")


def _show(report: StreamReport) -> None:
    """Print what became of the stream."""
    speed = report.events_per_second
    rows = {
        "events": f"{report.events:,}",
        "of whole batches": f"{report.learned:,}",
        "beyond the first range": f"{report.beyond:,}",
        "partitions": f"{len(report.partitions):,}",
        "loss before learning": f"{report.losses[0].loss:.3f} to {report.losses[-1].loss:.3f}",
        "kept": f"{report.summary_bytes / 1e3:,.0f} kB of {report.stream_bytes / 1e3:,.0f} kB",
        "compression": f"{report.compression:,.1f}",
        "events/s": "nothing new" if speed is None else f"{speed:,.0f}",
    }
    show_table(("stream", ""), list(rows.items()), words=1)
