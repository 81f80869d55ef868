"""``overdensity simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core import ConfigError

if TYPE_CHECKING:
    from ..config.recipe import SimulationConfig

__all__ = ["simulate"]

_FILES = (".h5", ".hdf5", ".hdf", ".root")
_IN_A_RECIPE = {  # options of a file without a recipe, and what stands for them beside one
    "background": "composition.NAME",
    "signal": "composition.NAME",
    "zprime": "processes.NAME.masses.zprime",
    "x": "processes.NAME.masses.x",
    "y": "processes.NAME.masses.y",
    "prongs": "processes.NAME.prongs",
    "pythia": "generator.pythia",
    "efficiency_scale": "detector.efficiency_scale",
    "resolution_scale": "detector.resolution_scale",
}

What = Annotated[
    str,
    typer.Argument(
        help="A recipe, the name of a preset, or the event file to write.",
        metavar="RECIPE.yaml|PRESET|OUT.h5",
    ),
]
OutFile = Annotated[
    Path | None,
    typer.Option(help="The event file of a recipe, .h5 or .root; by default <name>.h5."),
]
Events = Annotated[
    int | None, typer.Option(min=1, help="Events of a recipe in all, in its proportions.")
]
Background = Annotated[
    int | None, typer.Option(min=0, help="Selected QCD dijet events; 40 000 by default.")
]
Signal = Annotated[
    int | None, typer.Option(min=0, help="Selected Z' → XY events; none by default.")
]
MassOfZprime = Annotated[
    float | None, typer.Option(help="Mass of the resonance, GeV; 3500 by default.")
]
MassOfX = Annotated[float | None, typer.Option(help="Mass of X, GeV; 500 by default.")]
MassOfY = Annotated[float | None, typer.Option(help="Mass of Y, GeV; 100 by default.")]
Prongs = Annotated[
    int | None, typer.Option(min=2, max=3, help="Quarks X and Y decay to; 2 by default.")
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Same seed, same file; by default the recipe's, or 1.")
]
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
EfficiencyScale = Annotated[float | None, typer.Option(help="Times the tracking efficiency.")]
ResolutionScale = Annotated[
    float | None, typer.Option(help="Times the resolutions of tracks and towers.")
]
SetKey = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace a key of the recipe, such as composition.signal=250; may be repeated.",
    ),
]
ClusterName = Annotated[
    str | None, typer.Option(help="local, threads, or the address of a Dask scheduler.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")]


def simulate(  # noqa: PLR0917 - typer knows arguments by their names
    what: What,
    out: OutFile = None,
    events: Events = None,
    background: Background = None,
    signal: Signal = None,
    zprime: MassOfZprime = None,
    x: MassOfX = None,
    y: MassOfY = None,
    prongs: Prongs = None,
    seed: Seed = None,
    key_file: KeyFile = False,
    pythia: Pythia = None,
    efficiency_scale: EfficiencyScale = None,
    resolution_scale: ResolutionScale = None,
    overrides: SetKey = None,
    cluster: ClusterName = None,
    workers: Workers = None,
) -> None:
    """Simulate an event file: Pythia 8 and a parametrised CMS detector.

    Of a recipe or a preset (rnd, bb1, ...): overdensity simulate bb1 --out box.h5
    Or of QCD dijets and Z' → XY: overdensity simulate box.h5 --signal 250
    """
    from ..simulation_run import run_simulation

    of_dijets = {
        "background": background,
        "signal": signal,
        "zprime": zprime,
        "x": x,
        "y": y,
        "prongs": prongs,
        "pythia": pythia,
        "efficiency_scale": efficiency_scale,
        "resolution_scale": resolution_scale,
    }
    given = {name: value for name, value in of_dijets.items() if value is not None}
    running = {"cluster": cluster, "workers": workers}
    sets = [f"{key}={value}" for key, value in running.items() if value is not None]
    if what.endswith(_FILES):
        _refuse_options_of_recipes(out=out, events=events, overrides=overrides)
        config = _dijets(Path(what), given, sets)
    else:
        config = _of_recipe(what, given, out, events, [*(overrides or []), *sets])
    report = run_simulation(config, seed=seed, key_file=key_file)
    report.to_json(config.out.with_suffix(".simulation.json"))
    numbers = [f"{each.written} {name}" for name, each in report.processes.items()]
    typer.echo(
        f"{report.path}: {' and '.join(numbers)} events, {report.events_per_second:.0f} events/s"
    )


def _of_recipe(
    what: str, given: dict[str, Any], out: Path | None, events: int | None, sets: list[str]
) -> SimulationConfig:
    """Return what a recipe says."""
    from dataclasses import replace

    from ..config.recipe import load_recipe

    if given:
        name = next(iter(given))
        msg = (
            f"--{name.replace('_', '-')} is for an event file without a recipe; beside {what} say "
            f"--set {_IN_A_RECIPE[name]}=..."
        )
        raise ConfigError(msg)
    config = load_recipe(what, sets, out=out)
    return config if events is None else replace(config, recipe=config.recipe.scaled(events))


def _dijets(out: Path, given: dict[str, Any], sets: list[str]) -> SimulationConfig:
    """Return QCD dijets and Z' → X Y, as options have it."""
    from ...simulation import DetectorSettings, GeneratorSettings, Recipe, ZprimeMasses
    from ..config.recipe import SimulationConfig, running_of

    def these(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    recipe = Recipe.dijets(
        out.stem,
        **{"background": 40_000, "signal": 0, **these("background", "signal", "prongs")},
        masses=ZprimeMasses(**these("zprime", "x", "y")),
        generator=GeneratorSettings(pythia=tuple(given.get("pythia", ()))),
        detector=DetectorSettings(**these("efficiency_scale", "resolution_scale")),
    )
    cluster, workers = running_of(sets)
    return SimulationConfig(recipe, out, cluster, workers)


def _refuse_options_of_recipes(**options: Any) -> None:
    """Refuse what has no meaning without a recipe."""
    names = {"out": "--out", "events": "--events", "overrides": "--set"}
    for name, value in options.items():
        if value is not None:
            msg = f"{names[name]} goes with a recipe or a preset, such as rnd, not with a file to write"
            raise ConfigError(msg)
