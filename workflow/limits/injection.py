"""One search repeated with signal among its events: draw, train, select, fit, write down."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from ...core import InputError, Record
from ...core.identity import splitmix64, text_digest
from ...ml import Sample, Window, train_fold
from ...stats import count_patterns, hunt, selection_levels
from ...stats.search.scanning import scan
from ...stats.selection.efficiency import passes
from ..stages.provenance import file_states
from ..stages.run import Run
from ..stages.samples import load_sample, load_signal, load_simulation
from ..stages.selecting import calibrated

__all__ = [
    "InjectedSelection",
    "Injection",
    "InjectionTask",
    "check_strengths",
    "inject",
    "injection_key",
]

_PSEUDO_EXPERIMENTS = 1000  # behind the goodness of fit, whose threshold is a few in a thousand
_MOST_SCORED = 20_000  # signal events an efficiency is measured with
_PROBE = 0.5  # fraction of the signal events that are never injected


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
        Files of the events it goes into.
    window : int
        Index of the window that is trained again.
    strength : float
        Expected number of signal events; 0 is none.
    repeat : int
        Number of the repetition, which decides the random subset.
    pseudo_events : int, optional
        Expected number of background events, where `base` is simulation to be drawn from; by
        default the events of `base` are the data, all of which are taken.
    spurious : float
        Spurious signal of the run in this window, as a fraction of the background.
    refused : tuple of bool
        Selections that the run has refused.
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

    def __str__(self) -> str:
        """Say the task in words."""
        into = "the data" if self.pseudo_events is None else "pseudo-data"
        return f"{self.model}, {self.strength:g} events into {into}, repeat {self.repeat}"


@dataclass(frozen=True)
class InjectedSelection(Record):
    """One selection of a search with injected signal.

    Attributes
    ----------
    efficiency : float
        Background efficiency of the cut on the score.
    observed : int
        Events in the signal region, injected signal included.
    expected, error : float
        Background there from the sideband fit, and its error with the spurious signal.
    p_local, z_local : float
        Local p-value and significance.
    flagged : bool
        The fit does not describe its sidebands, or the selection was refused.
    selected_signal : int
        Injected events among `observed`.
    absorbed : float
        Events by which the injected signal outside the signal region raises `expected`.
    eps_s : float
        Fraction of all signal events that ends up selected in the signal region, measured with
        events that were not injected.
    """

    efficiency: float
    observed: int
    expected: float
    error: float
    p_local: float
    z_local: float
    flagged: bool
    selected_signal: int
    absorbed: float
    eps_s: float


@dataclass(frozen=True)
class Injection(Record):
    """A search with injected signal, in one window.

    Attributes
    ----------
    model : str
        Name of the signal.
    strength : float
        Expected number of events.
    repeat : int
        Number of the repetition.
    injected : int
        Events injected, at any mass.
    events : int
        Events in the scan range, signal included.
    scored : int
        Signal events behind `eps_s`.
    selections : tuple of InjectedSelection
        From loose to tight.
    """

    model: str
    strength: float
    repeat: int
    injected: int
    events: int
    scored: int
    selections: tuple[InjectedSelection, ...]


def injection_key(run: Run, task: InjectionTask) -> str:
    """Return the key of all that a repetition depends on: it names the file of its result."""
    return run.key(
        "injections", file_states(task.signal), dataclasses.asdict(task), files=task.base
    )


def check_strengths(files: Sequence[str], n_signal: int, strengths: Sequence[float]) -> None:
    """Refuse strengths for which the signal events do not suffice.

    Raises
    ------
    InputError
        If more than half of the events could be injected.
    """
    most = int(poisson.isf(1e-6, max(strengths)))
    if most > _for_injection(n_signal):
        msg = (
            f"{files[0]}: {n_signal} signal events are too few to inject {max(strengths):g}, which "
            f"may come to {most}: half of them stays behind to measure the efficiency; give more, "
            "or smaller strengths"
        )
        raise InputError(msg)


def inject(run: Run, task: InjectionTask, path: Path) -> None:
    """Repeat the search of one window with injected signal, and write its `Injection`.

    Runs on a worker. The signal events are a random subset of Poisson size; subsets of one
    repetition are nested in the strength, so that what changes between strengths is the strength.

    Parameters
    ----------
    run : Run
        The search.
    task : InjectionTask
        What to inject, and where.
    path : Path
        Where the result goes, whole or not at all.

    Raises
    ------
    InputError
        If there are not enough events to draw from.
    FitError
        If there are too few events to fit.
    """
    signal = load_signal(run, task.signal, weights="thinned")
    base, window = _base(run, task), run.windows[task.window]
    chosen, kept_back = _drawn(len(signal), task, run.config.seed)
    injected = signal.take(chosen[run.in_scan(signal.mass[chosen])])
    probe = signal.take(kept_back)
    n_probe = len(probe)
    in_region = probe.take(np.flatnonzero(window.signal(probe.mass))[:_MOST_SCORED])
    share = np.count_nonzero(window.signal(probe.mass)) / n_probe

    sample = _joined(base, injected)
    fold, levels, passing = _selected(run, sample, in_region, window)
    is_signal = np.arange(len(sample)) >= len(base)
    selections = _fitted(
        run, task, sample, levels=levels, is_signal=is_signal, eps_s=share * passing
    )
    Injection(
        model=task.model,
        strength=task.strength,
        repeat=task.repeat,
        injected=len(chosen),
        events=len(fold),
        scored=len(in_region),
        selections=selections,
    ).to_json(path)


def _base(run: Run, task: InjectionTask) -> Sample:
    """Return the events that signal goes into: the data, or pseudo-data drawn from simulation."""
    sample = load_sample(run, task.base)
    if task.pseudo_events is None:
        return sample
    rng = np.random.default_rng([run.config.seed, 2, task.repeat])
    number = int(rng.poisson(task.pseudo_events))
    if number > len(sample):
        msg = (
            f"{task.base[0]}: {len(sample)} background events in the scan range do not make "
            f"pseudo-data of {number}; give more in limits.background"
        )
        raise InputError(msg)
    return sample.take(np.sort(rng.choice(len(sample), number, replace=False)))


def _drawn(
    n_signal: int, task: InjectionTask, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which signal events are injected, and which never are."""
    rng = np.random.default_rng([seed, 3, task.repeat, text_digest(task.model)])
    order = rng.permutation(n_signal)
    number = int(poisson.ppf(rng.random(), task.strength)) if task.strength else 0
    check_strengths(task.signal, n_signal, [task.strength])
    chosen = order[: min(number, _for_injection(n_signal))]  # beyond it once in a million
    return np.sort(chosen), np.sort(order[_for_injection(n_signal) :])


def _for_injection(n_signal: int) -> int:
    """Return how many signal events may be injected; the others measure the efficiency."""
    return n_signal - int(np.ceil(_PROBE * n_signal))


def _joined(base: Sample, signal: Sample) -> Sample:
    """Return the events of both, those of the signal last."""
    label = None if base.label is None else np.ones(len(signal), np.int8)
    return Sample.concatenated(
        dataclasses.replace(base, weight=None), dataclasses.replace(signal, label=label)
    )


def _selected(
    run: Run, sample: Sample, probe: Sample, window: Window
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float64]]:
    """Train every fold, select the events, and measure what fraction of the probe would pass.

    Returns
    -------
    fold : ndarray of int64, shape (n_events,)
        Of each event.
    levels : ndarray of int8, shape (n_events,)
        Selections passed.
    passing : ndarray of float64, shape (n_selections,)
        Fraction of the probe that passes, averaged over the folds.
    """
    config, shown, simulation = run.config, sample.without_label(), load_simulation(run)
    fold = run.folding.of(sample.event)
    scores = np.empty(len(sample), np.float32)
    probe_scores = np.empty((config.folds, len(probe)), np.float32)
    for each in range(config.folds):
        model = train_fold(run.method, sample, window, each, run.folding, simulation=simulation)
        rows = np.flatnonzero(fold == each)
        scores[rows] = model.score(shown.take(rows))
        probe_scores[each] = model.score(probe)
    cut_on = calibrated(run, scores, mass=sample.mass, fold=fold, event=sample.event, window=window)
    levels = selection_levels(cut_on, fold, config.selections, events=splitmix64(sample.event))

    def passing(each: int, efficiency: float) -> float:
        of_fold = fold == each
        would = passes(
            scores[of_fold],
            cut_on[of_fold],
            np.log(sample.mass[of_fold]),
            efficiency,
            new_scores=probe_scores[each],
            new_log_mass=np.log(probe.mass),
        )
        return float(np.mean(would))

    fractions = [
        np.mean([passing(each, efficiency) for each in range(config.folds)])
        for efficiency in config.selections
    ]
    return fold, levels, np.array(fractions, dtype=np.float64)


def _fitted(
    run: Run,
    task: InjectionTask,
    sample: Sample,
    *,
    levels: NDArray[np.int8],
    is_signal: NDArray[np.bool_],
    eps_s: NDArray[np.float64],
) -> tuple[InjectedSelection, ...]:
    """Fit the sidebands of all selections, as the search does."""
    config, window = run.config, run.windows[task.window]
    fit = config.fit
    region = [(window.low, window.high)]
    result = hunt(
        sample.mass,
        levels[:, None],
        edges=run.edges,
        windows=region,
        efficiencies=config.selections,
        function=fit.function,
        bins_per_bin=fit.bins_per_bin,
        sculpting=fit.sculpting,
        gof_threshold=fit.gof_threshold,
        spurious=[task.spurious],
        refused=[task.refused],
        pseudo_experiments=_PSEUDO_EXPERIMENTS,
        seed=config.seed,
    )
    rows = result.windows[0].selections
    absorbed = np.zeros(len(rows))
    if is_signal.any():  # the same selected events without the injected ones: what the fit gains
        patterns = count_patterns(
            sample.mass[~is_signal],
            levels[~is_signal, None],
            run.fit_edges,
        )
        without = scan(
            patterns,
            region,
            config.selections,
            function=fit.function,
            sculpting=fit.sculpting,
            guard=fit.bins_per_bin,
        ).fits.expected[0, 1:]
        absorbed = np.array([row.expected for row in rows]) - without
    in_region = window.signal(sample.mass) & is_signal
    return tuple(
        InjectedSelection(
            efficiency=row.efficiency,
            observed=row.observed,
            expected=row.expected,
            error=float(np.hypot(row.expected_error or 0.0, row.spurious)),
            p_local=row.p_local,
            z_local=row.z_local,
            flagged=row.flagged,
            selected_signal=int(np.count_nonzero(in_region & (levels > index))),
            absorbed=float(absorbed[index]),
            eps_s=float(eps_s[index]),
        )
        for index, row in enumerate(rows)
    )
