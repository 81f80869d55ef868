"""The expected reach for one signal in its window: a task that leaves a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...core import ConfigError, InputError
from ...ml import Window
from ...stats.reach.reach_curve import expected_reach
from ...stats.reach.signal_response import (
    SignalResponse,
    gaussian_response,
    signal_efficiencies,
)
from ..stages.run import Run
from .blind_data import background_of, sideband_p_value
from .blind_training import TrainedResponse, response_of
from .expected_result import GAUSSIAN, ExpectedPoint

__all__ = ["PointTask", "gaussian_tasks", "make_point", "point_key", "stated_efficiencies"]


@dataclass(frozen=True)
class PointTask:
    """One signal in the window where it is looked for.

    Attributes
    ----------
    name : str
        Of the signal.
    mass : float
        Of the resonance, GeV.
    window : int
        Index of the window.
    share : float
        Fraction of its events in the signal region.
    trainings : tuple of str
        Files of `TrainedResponse`; none of a Gaussian resonance.
    """

    name: str
    mass: float
    window: int
    share: float
    trainings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say the task in words."""
        return f"{self.name}, {self.mass:.0f} GeV"


def stated_efficiencies(run: Run) -> list[float]:
    """Return the signal efficiencies of the selections as the configuration states them.

    Raises
    ------
    ConfigError
        If one is zero, or the curve does not reach all selections.
    """
    try:
        return signal_efficiencies(run.config.expect.efficiencies, run.config.cuts)
    except InputError as error:
        msg = f"expect.efficiencies: {error}"
        raise ConfigError(msg) from None


def gaussian_tasks(run: Run, windows: Sequence[Window]) -> list[PointTask]:
    """Return the points of the Gaussian resonance; none where no efficiencies are stated.

    Parameters
    ----------
    run : Run
        The search.
    windows : sequence of Window
        Those that are searched.

    Raises
    ------
    ConfigError
        If a mass lies in none of the signal regions.
    """
    config = run.config.expect
    if not config.efficiencies:
        return []
    tasks = []
    for mass in config.masses or tuple(window.center for window in windows):
        if not any(window.low <= mass < window.high for window in windows):
            low, high = min(w.low for w in windows), max(w.high for w in windows)
            msg = (
                f"expect.masses: {mass:g} GeV lies in no signal region of the scan, which reach from "
                f"{low:.0f} to {high:.0f} GeV; choose a mass there, or move scan.low and scan.high"
            )
            raise ConfigError(msg)
        shares = [_gaussian_share(mass, config.width, window) for window in windows]
        best = int(np.argmax(shares))
        tasks.append(PointTask(GAUSSIAN, float(mass), best, shares[best]))
    return tasks


def point_key(run: Run, task: PointTask) -> str:
    """Return the key of all that a point depends on: it names the file of its result."""
    trainings = tuple(Path(path).name for path in task.trainings)  # these hold keys of their own
    return run.key("expected", asdict(task) | {"trainings": trainings}, ExpectedPoint.schema)


def make_point(run: Run, task: PointTask, path: Path) -> None:
    """Work out the expected reach for one signal, and write its `ExpectedPoint`; on a worker.

    Raises
    ------
    InputError
        If the signal leaves no event in the signal region.
    FitError
        If there are too few events to fit.
    """
    config, window = run.config, run.windows[task.window]
    largest = None
    if task.trainings:
        response = response_of([TrainedResponse.from_json(name) for name in task.trainings])
        largest = float(response.strengths[-1])
    else:
        response = _gaussian(run, task.mass)
    curve = expected_reach(
        background_of(run, task.window),
        response,
        toys=config.expect.toys,
        pseudo_experiments=config.pseudo_experiments,
        seed=config.seed,
    )
    ExpectedPoint(
        name=task.name,
        mass=task.mass,
        window=task.window,
        low=window.low,
        high=window.high,
        share=task.share,
        trained=bool(task.trainings),
        largest=largest,
        sideband_p=sideband_p_value(run, task.window),
        curve=curve,
    ).to_json(path)


def _gaussian(run: Run, mass: float) -> SignalResponse:
    width = run.config.expect.width
    return gaussian_response(run.fit_edges, mass, width, stated_efficiencies(run))


def _gaussian_share(mass: float, width: float, window: Window) -> float:
    edges = [window.low, window.high]
    return float(gaussian_response(edges, mass, width, []).fractions.sum())
