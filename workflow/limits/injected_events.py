"""Which signal events a repetition of the search injects, and into which other events."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from ...core import InputError
from ...ml import Sample
from ..calibrate.retraining import smeared_sample
from ..stages.run import Run
from ..stages.samples import load_sample

__all__ = [
    "InjectionTask",
    "check_pool",
    "check_strengths",
    "draw_signal",
    "events_with_signal",
    "load_base",
]

_PROBE = 0.5  # fraction of the signal events that are never injected
_RARELY = 1e-6  # how often a Poisson number is larger than what is kept ready for it


@dataclass(frozen=True)
class InjectionTask:
    """What one repetition of the search needs to know.

    Attributes
    ----------
    model : str
        Name of the signal.
    signal : tuple of str
        Its files.
    base : tuple of str
        Files of the events it goes into: the data, or simulated background.
    window : int
        Index of the window that is trained again.
    strength : float
        Expected number of signal events; 0 is none.
    repeat : int
        Number of the repetition, which decides the random subset.
    pseudo_events : int, optional
        Expected number of background events, where `base` is simulation to be drawn from.
    theta : tuple of float, optional
        Parameters of the background, where the events of `base` are the data and get new masses
        (`smeared_sample`). Without both, the data are taken as they are.
    spurious : float
        Spurious signal of the run in this window, as a fraction of the background.
    refused : tuple of bool
        Selections that the run has refused.
    odds_widths : tuple of tuple of float
        What all windows of the run have told of the efficiency of each selection: the one window
        that is trained again could not. Empty where that window measures them, or nothing is fitted.
    """

    model: str
    signal: tuple[str, ...]
    base: tuple[str, ...]
    window: int
    strength: float
    repeat: int
    pseudo_events: int | None
    spurious: float
    refused: tuple[bool, ...]
    theta: tuple[float, ...] | None = None
    odds_widths: tuple[tuple[float, ...], ...] = ()

    @property
    def is_own_training(self) -> bool:
        """Whether it is the run's own training, into which nothing is injected."""
        return not self.strength and self.pseudo_events is None and self.theta is None

    def __str__(self) -> str:
        """Say the task in words."""
        if self.is_own_training:
            return f"{self.model}, its efficiency in the search as it is"
        into = "the data" if self.pseudo_events is None and self.theta is None else "pseudo-data"
        return f"{self.model}, {self.strength:g} events into {into}, repeat {self.repeat}"


def check_strengths(files: Sequence[str], n_signal: int, strengths: Sequence[float]) -> None:
    """Refuse strengths for which the signal events do not suffice.

    Raises
    ------
    InputError
        If more than half of the events could be injected.
    """
    most = int(poisson.isf(_RARELY, max(strengths)))
    if most > _for_injection(n_signal):
        msg = (
            f"{files[0]}: {n_signal} signal events are too few to inject {max(strengths):g}, which "
            f"may come to {most}: half of them stays behind to measure the efficiency; give more, "
            "or smaller strengths"
        )
        raise InputError(msg)


def check_pool(files: Sequence[str], n_pool: int, expected: float) -> None:
    """Refuse simulated background of which pseudo-data cannot be drawn.

    Raises
    ------
    InputError
        If more events could be drawn than there are.
    """
    most = int(poisson.isf(_RARELY, expected))
    if most > n_pool:
        msg = (
            f"limits.background: {files[0]}: {n_pool} events in the scan range do not make pseudo-data of "
            f"{expected:g}, which may come to {most}; give more"
        )
        raise InputError(msg)


def load_base(run: Run, task: InjectionTask) -> Sample:
    """Return the events that signal goes into.

    They are pseudo-data without the signal: the data with smeared masses, or events drawn from
    simulation. The data themselves stand for the run's own training.

    Raises
    ------
    InputError
        If the simulation has too few events.
    """
    if task.theta is not None:
        return smeared_sample(run, task.theta, task.repeat)
    sample = load_sample(run, task.base)
    if task.pseudo_events is None:
        return sample
    check_pool(task.base, len(sample), task.pseudo_events)
    rng = np.random.default_rng([run.config.seed, 2, task.repeat])
    number = min(int(rng.poisson(task.pseudo_events)), len(sample))  # more once in a million
    return sample.take(np.sort(rng.choice(len(sample), number, replace=False)))


def draw_signal(
    n_signal: int, task: InjectionTask, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the signal events that are injected, and those that never are.

    Subsets of one repetition are nested in the strength, so that what changes between strengths is
    the strength, and the name of a signal changes nothing. The run's own training has seen none of
    the signal: all events measure its efficiency.

    Parameters
    ----------
    n_signal : int
        Signal events there are.
    task : InjectionTask
        The repetition.
    seed : int
        Of the search.

    Returns
    -------
    injected : ndarray of int64
        Indices, as many as a Poisson variable of the mean ``task.strength``.
    kept_back : ndarray of int64
        Indices of those that measure the efficiency, in random order.

    Raises
    ------
    InputError
        If the signal events do not suffice.
    """
    rng = np.random.default_rng([seed, 3, task.repeat])
    order = rng.permutation(n_signal)
    if task.is_own_training:
        return order[:0], order
    number = int(poisson.ppf(rng.random(), task.strength)) if task.strength else 0
    check_strengths(task.signal, n_signal, [task.strength])
    chosen = order[: min(number, _for_injection(n_signal))]  # more once in a million
    return np.sort(chosen), order[_for_injection(n_signal) :]


def _for_injection(n_signal: int) -> int:
    """Return how many signal events may be injected; the others measure the efficiency."""
    return n_signal - int(np.ceil(_PROBE * n_signal))


def events_with_signal(base: Sample, signal: Sample) -> Sample:
    """Return the events of both, those of the signal last."""
    label = None if base.label is None else np.ones(len(signal), np.int8)
    return Sample.concatenated(
        dataclasses.replace(base, weight=None), dataclasses.replace(signal, label=label)
    )
