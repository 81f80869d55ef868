"""``overdensity process``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...core import ConfigError
from ..tables import show_table
from .options import Set

if TYPE_CHECKING:
    from ...processors import ProcessingReport
    from ..config.search import SearchConfig

__all__ = ["process"]

logger = logging.getLogger("overdensity")

_SHOWN_FILES = 10  # of a dry run

Files = Annotated[
    list[str],
    typer.Argument(
        help="Event files, patterns, folders or URLs, or one SEARCH.yaml that names them.",
        metavar="FILE...",
    ),
]
Folder = Annotated[str | None, typer.Option("--out", help="Folder of the result.")]
Format = Annotated[
    str | None, typer.Option(help="lhco, root, parquet, ...; by default told from the file names.")
]
LayoutName = Annotated[
    str | None,
    typer.Option(help="nano, physlite, delphes, ...; by default told from what a file holds."),
]
ProcessorName = Annotated[
    str | None, typer.Option(help="dijet, multijet, jets or leptons; by default dijet.")
]
Collection = Annotated[
    str | None,
    typer.Option(help="particles, which are clustered (default), or stored fat_jets or jets."),
]
Features = Annotated[
    str | None, typer.Option(help="Features of jets by name, with commas between them.")
]
Columns = Annotated[
    str | None, typer.Option(help="Where columns go, if not to OUT: a URL that workers can write.")
]
ClusterName = Annotated[
    str | None, typer.Option(help="local, threads, or the address of a Dask scheduler.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Workers to start.")]
SkipBadFiles = Annotated[
    bool, typer.Option("--skip-bad-files", help="List files that cannot be read, and go on.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the files, and the job script or the like, and stop."),
]


def process(  # noqa: PLR0917 - typer knows arguments by their names
    files: Files,
    out: Folder = None,
    format: Format = None,  # noqa: A002 - the word of the configuration
    layout: LayoutName = None,
    processor: ProcessorName = None,
    collection: Collection = None,
    features: Features = None,
    overrides: Set = None,
    columns: Columns = None,
    cluster: ClusterName = None,
    workers: Workers = None,
    skip_bad_files: SkipBadFiles = False,
    dry_run: DryRun = False,
) -> None:
    """Turn event files into Parquet columns under OUT/columns/, with control plots beside them."""
    from ..search_run import process_search
    from ..stages.processing.columns import check_events
    from ..stages.run import Run

    given = {
        "events.format": format,
        "events.layout": layout,
        "events.skip_bad_files": skip_bad_files or None,
        "processor.name": processor,
        "processor.collection": collection,
        "processor.features": features and f"[{features}]",
        "columns": columns,
        "cluster": cluster,
        "workers": workers,
    }
    sets = [f"{key}={value}" for key, value in given.items() if value is not None]
    if out is None and not dry_run and not _is_configuration(files):
        msg = "process: say where the columns go with --out DIR"
        raise ConfigError(msg)
    config = _configuration(files, out, [*sets, *(overrides or [])])
    if dry_run:
        check_events(config)
        _show_plan(config)
        return
    report = process_search(config)
    if report is not None:
        _show_processing(report, Run(config).folder)


def _is_configuration(files: list[str]) -> bool:
    return len(files) == 1 and files[0].endswith((".yaml", ".yml"))


def _configuration(files: list[str], out: str | None, overrides: list[str]) -> SearchConfig:
    """Return the configuration of a YAML file, or of event files given by name."""
    from ..config.reading import load_config, parse_config
    from ..stages.inputs.event_files import event_format

    if _is_configuration(files):
        config = load_config(files[0], overrides, out=out)
    else:
        config = parse_config({"events": {"files": files}, "out": out}, overrides=overrides)
    if event_format(config.events) == "columns":
        msg = (
            "these are columns already; nothing to process. If they are Parquet files with "
            "the particles of events, say --format parquet"
        )
        raise ConfigError(msg)
    return config


def _show_plan(config: SearchConfig) -> None:
    """Say what would be processed, and where."""
    from ..cluster.connecting import dry_run
    from ..stages.inputs.event_files import event_files, event_format

    files = event_files(config.events)
    typer.echo(f"{len(files)} files of format {event_format(config.events)}:")
    for name in files[:_SHOWN_FILES]:
        typer.echo(f"  {name}")
    if len(files) > _SHOWN_FILES:
        typer.echo(f"  and {len(files) - _SHOWN_FILES} more")
    typer.echo(f"processor: {config.processor.name}")
    typer.echo(f"cluster: {config.cluster.kind}")
    typer.echo(dry_run(config.cluster, config.workers))


def _show_processing(report: ProcessingReport, folder: Path) -> None:
    """Print the cutflow of all sets of columns, and where things are."""
    weighted = bool(report.cutflow_weighted)
    typer.echo(f"{report.columns}: {len(report.partitions)} partitions, {report.rows:,} rows")
    varied = (f"events, {name}" for name in report.variations)
    show_table(
        ["cut", "events", *(["weighted"] if weighted else []), *varied],
        [
            [
                name,
                f"{events_left:,}",
                *([f"{report.cutflow_weighted[name]:,.6g}"] if weighted else []),
                *(f"{these.cutflow.get(name, 0):,}" for these in report.variations.values()),
            ]
            for name, events_left in report.cutflow.items()
        ],
        words=1,
    )
    for complaint in report.bad_files.values():
        logger.warning("skipped: %s", complaint)
    typer.echo(f"control plots: {folder / 'control'}")
