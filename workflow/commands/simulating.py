"""``overdensity simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["simulate"]

OutFile = Annotated[Path, typer.Argument(help="The event file to write.", metavar="OUT.h5")]
Background = Annotated[int, typer.Option(min=0, help="Selected QCD dijet events.")]
Signal = Annotated[int, typer.Option(min=0, help="Selected Z' → XY events.")]
MassOfZprime = Annotated[float, typer.Option(help="Mass of the resonance, GeV.")]
MassOfX = Annotated[float, typer.Option(help="Mass of X, GeV.")]
MassOfY = Annotated[float, typer.Option(help="Mass of Y, GeV.")]
Prongs = Annotated[int, typer.Option(min=2, max=3, help="Quarks X and Y decay to.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same file.")]
KeyFile = Annotated[
    bool, typer.Option("--key-file", help="Truth in a file of its own, as for a black box.")
]
Pythia = Annotated[
    list[str] | None,
    typer.Option(
        metavar="'KEY = VALUE'",
        help="A further setting of Pythia, such as 'PartonShowers:model = 2'; may be repeated.",
    ),
]
EfficiencyScale = Annotated[float, typer.Option(help="Times the tracking efficiency.")]
ResolutionScale = Annotated[float, typer.Option(help="Times the resolutions of tracks and towers.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")]


def simulate(  # noqa: PLR0917 - typer knows arguments by their names
    out: OutFile,
    background: Background = 40_000,
    signal: Signal = 0,
    zprime: MassOfZprime = 3500.0,
    x: MassOfX = 500.0,
    y: MassOfY = 100.0,
    prongs: Prongs = 2,
    seed: Seed = 1,
    key_file: KeyFile = False,
    pythia: Pythia = None,
    efficiency_scale: EfficiencyScale = 1.0,
    resolution_scale: ResolutionScale = 1.0,
    workers: Workers = None,
) -> None:
    """Simulate an LHC Olympics event file: Pythia 8 and a parametrised CMS detector."""
    from ...simulation import DetectorSettings, GeneratorSettings, ZprimeMasses
    from ...simulation import simulate as run_simulation

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
