"""The search trained on pseudo-data that hold signal: what its selections then keep of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core import Record
from ...stats.reach.signal_response import SignalResponse
from ..limits.injected_events import InjectionTask, draw_signal, events_with_signal, load_base
from ..limits.injection import MOST_SCORED, trained_selection
from ..stages.provenance import file_states
from ..stages.run import Run
from ..stages.samples import load_signal
from .blind_data import blind_sample

__all__ = ["BlindTraining", "TrainedResponse", "measure_response", "response_of", "training_key"]


@dataclass(frozen=True)
class BlindTraining:
    """One training: what is injected into what.

    Attributes
    ----------
    injected : InjectionTask
        The signal and its strength. With ``theta`` it goes into the events outside the signal
        region, with new masses; else into events drawn from simulation.
    inside : float
        Events expected in the signal region.
    """

    injected: InjectionTask
    inside: float

    def __str__(self) -> str:
        """Say the task in words."""
        return str(self.injected)


@dataclass(frozen=True)
class TrainedResponse(Record):
    """What the selections of one training keep of signal events that it has not seen.

    Attributes
    ----------
    model : str
        Name of the signal.
    strength : float
        Expected number of signal events among the events it was trained on.
    repeat : int
        Number of the training at this strength.
    injected : int
        Signal events among them.
    events : int
        Events in the scan range, signal included.
    scored : int
        Signal events it was measured with.
    fractions : tuple of tuple of float
        For each selection, the unselected spectrum first, the fraction of all signal events in each
        bin of the fits.
    """

    schema = 3  # since the events that measure do not depend on the name of the signal
    made_by = "'overdensity expect'"

    model: str
    strength: float
    repeat: int
    injected: int
    events: int
    scored: int
    fractions: tuple[tuple[float, ...], ...]


def training_key(run: Run, task: BlindTraining) -> str:
    """Return the key of all that a training depends on: it names the file of its result."""
    return run.key(
        "injections",
        file_states(task.injected.signal),
        dataclasses.asdict(task),
        "expected",
        TrainedResponse.schema,
        files=task.injected.base,
    )


def measure_response(run: Run, task: BlindTraining, path: Path) -> None:
    """Train a window on pseudo-data with signal, and write down what it keeps; runs on a worker.

    Parameters
    ----------
    run : Run
        The search.
    task : BlindTraining
        What to inject, and where.
    path : Path
        Where the `TrainedResponse` goes, whole or not at all.

    Raises
    ------
    InputError
        If there are not enough events.
    """
    injected, window = task.injected, run.windows[task.injected.window]
    signal = load_signal(run, injected.signal, weights="thinned")
    if injected.theta is not None:
        base = blind_sample(run, window, task.inside, injected.theta, injected.repeat)
    else:
        base = load_base(run, injected)
    chosen, kept_back = draw_signal(len(signal), injected, run.config.seed)
    sample = events_with_signal(base, signal.take(chosen[run.in_scan(signal.mass[chosen])]))
    in_scan = kept_back[run.in_scan(signal.mass[kept_back])]
    probe = signal.take(in_scan[:MOST_SCORED])
    fold, _, passing = trained_selection(run, sample, probe, window)
    weight = len(in_scan) / (max(len(probe), 1) * len(kept_back))
    fractions = [
        np.histogram(probe.mass, run.fit_edges, weights=row)[0] for row in passing.mean(axis=1)
    ]
    TrainedResponse(
        model=injected.model,
        strength=injected.strength,
        repeat=injected.repeat,
        injected=len(chosen),
        events=len(fold),
        scored=len(probe),
        fractions=tuple(tuple((weight * row).tolist()) for row in fractions),
    ).to_json(path)


def response_of(trainings: Sequence[TrainedResponse]) -> SignalResponse:
    """Return the trainings of a signal as its response, from strength 0 up.

    Examples
    --------
    >>> found = [TrainedResponse("Z'", s, 0, 0, 100, 50, ((0.5,), (e,)))
    ...          for s, e in ((100.0, 0.4), (0.0, 0.1))]
    >>> response_of(found).at(50.0).tolist()
    [[[0.5], [0.25]]]
    """
    ordered = sorted(trainings, key=lambda each: (each.strength, each.repeat))
    strengths = sorted({each.strength for each in ordered})
    fractions = np.array([each.fractions for each in ordered])
    return SignalResponse(
        np.array(strengths),
        fractions.reshape(len(strengths), -1, *fractions.shape[1:]),
        takes_place=True,
    )
