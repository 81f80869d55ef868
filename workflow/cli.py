"""The command line: ``overdensity simulate | process | score | hunt | run | report | ...``."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Column, Table

from ..core import ConfigError, OverdensityError
from ..core.progress_bar import set_quiet

__all__ = ["app", "main"]

app = typer.Typer(
    name="overdensity",
    help="From event files to a calibrated global p-value, without naming the new particle first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
logger = logging.getLogger("overdensity")

ConfigFile = Annotated[Path, typer.Argument(help="The search, a YAML file.", metavar="SEARCH.yaml")]
Out = Annotated[
    str | None,
    typer.Option("--out", help="The run's folder; by default the file's 'out', or runs/<name>."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace a key of the file, such as scan.bins=20; may be repeated.",
    ),
]
_SHOWN_FILES = 10  # of a dry run
GLOBAL_FLAGS = ("--quiet", "--debug")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: errors of the user are one sentence and exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    flags = {word for word in words if word in GLOBAL_FLAGS}  # anywhere on the line
    words = [word for word in words if word not in GLOBAL_FLAGS]
    _set_up(quiet="--quiet" in flags)
    try:
        app(words, prog_name="overdensity")
    except OverdensityError as error:
        if "--debug" in flags:
            raise
        Console(stderr=True).print(f"[bold red]error:[/] {_escaped(str(error))}", soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; run again to go on from here")
        sys.exit(130)


@app.callback()
def _about(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log lines in place of bars.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """From event files to a calibrated global p-value."""


@app.command()
def simulate(  # noqa: PLR0917 - typer knows arguments by their names
    out: Annotated[Path, typer.Argument(help="The event file to write.", metavar="OUT.h5")],
    background: Annotated[int, typer.Option(min=0, help="Selected QCD dijet events.")] = 40_000,
    signal: Annotated[int, typer.Option(min=0, help="Selected Z' → XY events.")] = 0,
    zprime: Annotated[float, typer.Option(help="Mass of the resonance, GeV.")] = 3500.0,
    x: Annotated[float, typer.Option(help="Mass of X, GeV.")] = 500.0,
    y: Annotated[float, typer.Option(help="Mass of Y, GeV.")] = 100.0,
    prongs: Annotated[int, typer.Option(min=2, max=3, help="Quarks X and Y decay to.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same file.")] = 1,
    key_file: Annotated[
        bool, typer.Option("--key-file", help="Truth in a file of its own, as for a black box.")
    ] = False,
    pythia: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'KEY = VALUE'",
            help="A further setting of Pythia, such as 'PartonShowers:model = 2'; may be repeated.",
        ),
    ] = None,
    efficiency_scale: Annotated[float, typer.Option(help="Times the tracking efficiency.")] = 1.0,
    resolution_scale: Annotated[
        float, typer.Option(help="Times the resolutions of tracks and towers.")
    ] = 1.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one per core.")
    ] = None,
) -> None:
    """Simulate an LHC Olympics event file: Pythia 8 and a parametrised CMS detector."""
    from ..simulation import DetectorSettings, GeneratorSettings, ZprimeMasses
    from ..simulation import simulate as run_simulation

    report = run_simulation(
        out,
        background=background,
        signal=signal,
        seed=seed,
        masses=ZprimeMasses(zprime, x, y),
        prongs=prongs,
        key_file=key_file,
        generator=GeneratorSettings(pythia=tuple(pythia or ())),
        detector=DetectorSettings(
            efficiency_scale=efficiency_scale, resolution_scale=resolution_scale
        ),
        workers=workers,
    )
    report.to_json(out.with_suffix(".simulation.json"))
    typer.echo(
        f"{report.path}: {background} background and {signal} signal events, "
        f"{report.events_per_second:.0f} events/s"
    )


@app.command()
def process(  # noqa: PLR0917 - typer knows arguments by their names
    files: Annotated[
        list[str],
        typer.Argument(
            help="Event files, patterns, folders or URLs, or one SEARCH.yaml that names them.",
            metavar="FILE...",
        ),
    ],
    out: Annotated[str | None, typer.Option("--out", help="Folder of the result.")] = None,
    format: Annotated[  # noqa: A002 - the word of the configuration
        str | None,
        typer.Option(help="lhco, root, parquet, ...; by default told from the file names."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="nano, physlite, delphes, ...; by default told from what a file holds."),
    ] = None,
    processor: Annotated[
        str | None, typer.Option(help="dijet, multijet, jets or leptons; by default dijet.")
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(help="particles, which are clustered (default), or stored fat_jets or jets."),
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Features of jets by name, with commas between them.")
    ] = None,
    overrides: Set = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Where columns go, if not to OUT: a URL that workers can write."),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="local, threads, or the address of a Dask scheduler.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Workers to start.")] = None,
    skip_bad_files: Annotated[
        bool, typer.Option("--skip-bad-files", help="List files that cannot be read, and go on.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the files, and the job script or the like, and stop."),
    ] = False,
) -> None:
    """Turn event files into Parquet columns under OUT/columns/, with control plots beside them."""
    from .config.search import load_config, parse_config
    from .search_run import process_search
    from .stages.columns import check_events
    from .stages.inputs import event_format
    from .stages.run import Run

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
    sets += overrides or []
    if len(files) == 1 and files[0].endswith((".yaml", ".yml")):
        config = load_config(files[0], sets, out=out)
    else:
        if out is None and not dry_run:
            msg = "process: say where the columns go with --out DIR"
            raise ConfigError(msg)
        config = parse_config({"events": {"files": files}, "out": out}, overrides=sets)
    if event_format(config.events) == "columns":
        msg = (
            "these are columns already; nothing to process. If they are Parquet files with "
            "the particles of events, say --format parquet"
        )
        raise ConfigError(msg)
    if dry_run:
        check_events(config)
        _show_plan(config)
        return
    report = process_search(config)
    if report is not None:
        _show_processing(report, Run(config).folder)


@app.command()
def score(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Score every event in every window, by models that never saw it."""
    from .config.search import load_config
    from .search_run import score_search
    from .stages.run import Run

    config = load_config(file, overrides or [], out=out)
    score_search(config, process=False)
    typer.echo(f"scores are in {Run(config).folder / 'scores'}")


@app.command()
def hunt(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Fit, scan and throw pseudo-experiments: scores to results.json and workspace.json."""
    from .config.search import load_config
    from .search_run import hunt_search
    from .stages.run import Run

    config = load_config(file, overrides or [], out=out)
    _show(hunt_search(config), Run(config).folder)


@app.command()
def run(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Do a whole search, from event files to the report; an interrupted one goes on."""
    from .config.search import load_config
    from .search_run import run_search
    from .stages.run import Run

    config = load_config(file, overrides or [], out=out)
    _show(run_search(config), Run(config).folder)


@app.command()
def calibrate(
    file: ConfigFile,
    out: Out = None,
    overrides: Set = None,
    pseudo_datasets: Annotated[
        int | None,
        typer.Option("--pseudo-datasets", min=1, help="How many; by default 20, or the file's."),
    ] = None,
) -> None:
    """Repeat a finished search, training included, on background-only pseudo-datasets."""
    from .config.search import load_config
    from .search_run import calibrate_search
    from .stages.run import Run

    number = [f"pseudo_datasets.number={pseudo_datasets}"] if pseudo_datasets else []
    config = load_config(file, [*(overrides or []), *number], out=out)
    retrained = calibrate_search(config)
    whole = retrained.global_p
    relation = "≤" if whole.is_limit else "="
    typer.echo(
        f"largest local significance {retrained.z_local:.1f}σ: p_global {relation} "
        f"{whole.p_global:.2g} ± {whole.p_global_error:.2g} from {len(retrained.datasets)} "
        f"pseudo-datasets trained anew, {retrained.p_pseudo_experiments:.2g} from "
        "pseudo-experiments\n"
        f"agreement of both (Kolmogorov-Smirnov): p = {retrained.ks_p_value:.2g}\n"
        f"result: {Run(config).folder / 'pseudodata.json'}"
    )


@app.command()
def limits(file: ConfigFile, out: Out = None, overrides: Set = None) -> None:
    """Set upper limits, on events and on signal models; an interrupted campaign goes on."""
    from .config.search import load_config
    from .search_run import run_limits
    from .stages.run import Run

    config = load_config(file, overrides or [], out=out)
    _show_limits(run_limits(config), Run(config).folder)


@app.command()
def combine(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Scored searches, the one that keeps common events first (trijets before dijets).",
            metavar="SEARCH.yaml...",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the result.")],
    overrides: Set = None,
) -> None:
    """Search for one resonance in several channels, such as dijets and trijets, at once."""
    from .combine.combined_run import combine_searches
    from .config.search import load_config

    configs: dict[str, Any] = {}
    for file in files:
        if file.stem in configs:
            msg = (
                f"combine: two searches are named {file.stem}; channels take the names of the files"
            )
            raise ConfigError(msg)
        configs[file.stem] = load_config(file, overrides or [])
    _show_combination(combine_searches(configs, out), out)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.", metavar="DIR")],
) -> None:
    """Write report.html anew from the results of a run."""
    from .report.report import write_report

    typer.echo(f"report: {write_report(folder)}")


@app.command()
def benchmark(
    file: Annotated[Path, typer.Argument(help="The benchmark, a YAML file.", metavar="FILE.yaml")],
    out: Out = None,
    overrides: Set = None,
    only: Annotated[
        str | None,
        typer.Option("--methods", help="Only these of the file's methods, commas between them."),
    ] = None,
) -> None:
    """Compare methods on the same events, over seeds and signal strengths: table and figures."""
    from .benchmark.benchmarking import run_benchmark
    from .config.benchmark import load_benchmark

    config = load_benchmark(file, overrides or [], out=out)
    chosen = tuple(name.strip() for name in only.split(",")) if only else ()
    _show_benchmark(run_benchmark(config, only=chosen), Path(config.out))


@app.command()
def methods(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the anomaly methods with their needs and sources."""
    from ..ml import methods as known_methods

    known = known_methods()
    if as_json:
        typer.echo(json.dumps([method.to_dict() for method in known], indent=2))
        return
    table = Table("method", "needs", "what it is", "source")
    for method in known:
        table.add_row(method.name, ", ".join(method.needs), method.summary, method.source)
    console.print(table)


@app.command()
def processors(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the processors with their options and defaults."""
    from ..processors import PROCESSORS

    settings = {name: processor().settings() for name, processor in PROCESSORS.items()}
    if as_json:
        typer.echo(json.dumps(settings, indent=2))
        return
    table = Table("processor", "what it does", "options and defaults")
    for name, processor in PROCESSORS.items():
        options = (f"{key}: {value}" for key, value in settings[name].items() if key != "processor")
        table.add_row(name, (processor.__doc__ or "").partition("\n")[0], "\n".join(options))
    console.print(table)


@app.command()
def features(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the features of jets that a processor can be asked for."""
    from ..processors.features.table import describe

    if as_json:
        typer.echo(json.dumps(describe(), indent=2))
        return
    table = Table(Column("feature", no_wrap=True), "what it is", "of a jet", "source")
    for row in describe():
        kind = f"{row['dtype']} {row['shape']}".removesuffix(" ()")
        table.add_row(_escaped(row["name"]), row["meaning"], kind, row["source"])
    console.print(table)


def _show_plan(config: Any) -> None:
    """Say what would be processed, and where."""
    from .cluster.connecting import dry_run
    from .stages.inputs import event_files, event_format

    files = event_files(config.events)
    typer.echo(f"{len(files)} files of format {event_format(config.events)}:")
    for name in files[:_SHOWN_FILES]:
        typer.echo(f"  {name}")
    if len(files) > _SHOWN_FILES:
        typer.echo(f"  and {len(files) - _SHOWN_FILES} more")
    typer.echo(f"processor: {config.processor.name}")
    typer.echo(f"cluster: {config.cluster.kind}")
    typer.echo(dry_run(config.cluster, config.workers))


def _show_processing(report: Any, folder: Path) -> None:
    """Print the cutflow of all sets of columns, and where things are."""
    weighted = bool(report.cutflow_weighted)
    typer.echo(f"{report.columns}: {len(report.partitions)} partitions, {report.rows:,} rows")
    table = Table("cut")
    varied = (f"events, {name}" for name in report.variations)
    for name in ("events", *(["weighted"] if weighted else []), *varied):
        table.add_column(name, justify="right")
    for name, events_left in report.cutflow.items():
        cells = [f"{events_left:,}"]
        cells += [f"{report.cutflow_weighted[name]:,.6g}"] if weighted else []
        cells += [f"{these.cutflow.get(name, 0):,}" for these in report.variations.values()]
        table.add_row(name, *cells)
    console.print(table)
    for complaint in report.bad_files.values():
        logger.warning("skipped: %s", complaint)
    typer.echo(f"control plots: {folder / 'control'}")


def _show(results: Any, folder: Path) -> None:
    """Print the summary table; its last line names the mass and both significances."""
    from .report.report import error_of
    from .stages.search_figures import selection_name

    best = results.best
    for flag in results.flags:
        console.print(f"[yellow]flag:[/] {_escaped(flag)}", soft_wrap=True)
    table = Table(title=f"{results.n_events} events in the scan range")
    for column in ("window [GeV]", "selection", "observed", "expected", "p local", "z local"):
        table.add_column(column, justify="right")
    for index, window in enumerate(results.windows):
        quotable = [row for row in window.selections if row.p_local is not None]
        if not quotable:
            table.add_row(f"{window.low:.0f}-{window.high:.0f}", *["flagged"] * 5, style="dim")
            continue
        row = min(quotable, key=lambda row: row.p_local)
        table.add_row(
            f"{window.low:.0f}-{window.high:.0f}",
            selection_name(row.efficiency),
            str(row.observed),
            f"{row.expected:.1f} ± {error_of(row.expected_error, '.1f')}",
            f"{row.p_local:.2g}",
            f"{row.z_local:.1f}σ",
            style="bold" if best is not None and index == best.window else None,
        )
    console.print(table)
    if (folder / "report.html").is_file():
        typer.echo(f"report: {folder / 'report.html'}")
    if best is None:
        console.print("no window has a fit that may be quoted: there is no result")
        return
    bound = "≥ " if best.p_global_is_limit else ""
    console.print(
        f"mass {best.mass:.0f} ± {error_of(best.mass_error)} GeV: local significance "
        f"{best.z_local:.1f}σ, global significance {bound}{best.z_global:.1f}σ",
        style="bold",
        soft_wrap=True,
    )


def _show_limits(found: Any, folder: Path) -> None:
    """Print the limits on signal models, or those on selected events where there is none."""
    from .stages.search_figures import selection_name

    for flag in found.flags:
        console.print(f"[yellow]flag:[/] {_escaped(flag)}", soft_wrap=True)
    level = f"{100 * found.level:g} %"
    if not found.signals:
        table = Table(title=f"{level} CLs upper limits on selected signal events")
        for column in ("window [GeV]", "selection", "observed", "median expected"):
            table.add_column(column, justify="right")
        for window in found.windows:
            for row in window.selections:
                where = f"{window.low:.0f}-{window.high:.0f}"
                expected = row.expected[2] if row.expected else None
                cells = (_events(row.observed), _events(expected))
                table.add_row(where, selection_name(row.efficiency), *cells)
        console.print(table)
    else:
        table = Table(title=f"{level} CLs upper limits on signal events before selection")
        table.add_column("signal")
        for column in ("training", "selection", "observed", "median expected", "observed in fb"):
            table.add_column(column, justify="right")
        for signal in found.signals:
            for training, limit in (("as it was", signal.fixed), ("repeated", signal.injected)):
                if limit is not None:
                    beyond = limit.observed is None and limit is signal.injected
                    cells = (
                        selection_name(limit.efficiency),
                        f"> {signal.points[-1].strength:g}" if beyond else _events(limit.observed),
                        _events(limit.expected[2]),
                        _events(limit.cross_section_observed),
                    )
                    table.add_row(_escaped(signal.name), training, *cells)
        console.print(table)
    typer.echo(f"limits: {folder / 'limits.json'}, for HEPData: {folder / 'limits.hepdata'}")


def _events(number: float | None) -> str:
    return "-" if number is None else f"{number:.3g}"


def _show_combination(combined: Any, out: Path) -> None:
    """Print all channels at all masses; the last line has the combined significances."""
    from .stages.search_figures import selection_name

    result = combined.result
    for flag in combined.flags:
        console.print(f"[yellow]flag:[/] {_escaped(flag)}", soft_wrap=True)
    for each in combined.events:
        typer.echo(
            f"{each.name}: {each.removed} of {each.scored} events belong to channels before it"
        )
    table = Table(title="one resonance in all channels")
    for column in ("window [GeV]", *(channel.name for channel in result.channels)):
        table.add_column(column, justify="right")
    for column in ("p local", "z local"):
        table.add_column(column, justify="right")
    for index, row in enumerate(result.hypotheses):
        cells = (
            "flagged"
            if point is None
            else f"{selection_name(point.efficiency)}: {point.observed} for "
            f"{point.expected:.1f}, {point.z_local:.1f}σ"
            for point in row.channels
        )
        table.add_row(
            f"{row.low:.0f}-{row.high:.0f}",
            *cells,
            f"{row.p_local:.2g}",
            f"{row.z_local:.1f}σ",
            style="bold" if index == result.best else None,
        )
    console.print(table)
    typer.echo(f"result: {out / 'combination.json'}")
    if result.best is None:
        console.print("no channel has a fit that may be quoted: there is no result")
        return
    for channel in result.channels:
        if channel.global_p is not None:
            bound = "≥ " if channel.global_p.is_limit else ""
            console.print(
                f"{channel.name} alone: local significance {channel.z_local:.1f}σ, global "
                f"significance {bound}{channel.global_p.z_global:.1f}σ"
            )
    best, whole = result.hypotheses[result.best], result.global_p
    console.print(
        f"combination at {best.mass:.0f} GeV: local significance {best.z_local:.1f}σ, global "
        f"significance {'≥ ' if whole.is_limit else ''}{whole.z_global:.1f}σ",
        style="bold",
        soft_wrap=True,
    )


def _show_benchmark(found: Any, out: Path) -> None:
    """Print the medians over the seeds; the spread is in the file."""
    from .stages.search_figures import selection_name

    table = Table(title="medians over the seeds, \\[smallest, largest] of the maximum SIC")
    names = [selection_name(efficiency) for efficiency in found.selections]
    table.add_column("method")
    for name in ("signal", "seeds", *(f"SIC {name}" for name in names), "max SIC", "AUC", "χ²/ndf"):
        table.add_column(name, justify="right")
    for row in found.rows:
        table.add_row(
            _escaped(row.method),
            "labels" if row.n_signal is None else str(row.n_signal),
            str(row.seeds),
            *(f"{spread.median:.1f}" for spread in row.sic),
            f"{row.max_sic.median:.1f} \\[{row.max_sic.low:.1f}, {row.max_sic.high:.1f}]",
            f"{row.auc.median:.3f}",
            f"{row.chi2_per_ndf[0].median:.1f}",
        )
    console.print(table)
    typer.echo(
        f"table: {out / 'benchmark.md'}, figures beside it; record: {out / 'benchmark.json'}"
    )


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
    warnings.filterwarnings("ignore", module="coffea|dask|distributed|pyhf")


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


if __name__ == "__main__":
    main()
