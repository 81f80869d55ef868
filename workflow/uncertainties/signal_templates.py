"""The signal of the best selection in all bins, and how its uncertainties change it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...stats.selection.efficiency import signal_efficiency
from ...stats.uncertainties.nuisances import (
    SignalErrors,
    moved_masses,
    peak_shapes,
    signal_variations,
)
from ...stats.workspaces.categories import Variation
from ...stats.workspaces.shape import peak_events
from ..config.uncertainties import UncertaintiesConfig
from ..stages.before_selection import passing_signal
from ..stages.run import Run
from ..stages.scores import Scores, read_signal_scores
from ..stages.search_result import BestResult

__all__ = ["SignalTemplates", "peak_templates", "signal_errors", "simulated_templates"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SignalTemplates:
    """A signal in all bins.

    Attributes
    ----------
    events : ndarray of shape (1, n_bins) or (2, n_bins)
        Events at ``mu = 1`` that pass the best selection, and those that fail it where they are
        known.
    variations : dict of str to Variation
        By the name of the nuisance; shapes of two rows where a selection is made.
    """

    events: Array
    variations: dict[str, Variation]


def signal_errors(config: UncertaintiesConfig) -> SignalErrors:
    """Return the relative uncertainties of a configuration.

    Examples
    --------
    >>> signal_errors(UncertaintiesConfig(tagger=0.1)).tagger
    0.1
    """
    return SignalErrors(config.luminosity, config.tagger, config.position, config.width)


def peak_templates(run: Run, best: BestResult) -> SignalTemplates:
    """Return the fitted peak; nothing is known of the signal that fails a selection."""
    errors = signal_errors(run.config.uncertainties)
    n_signal = max(best.n_signal, 1.0)
    events = peak_events(run.fit_edges, best.mass, best.width, n_signal)[None]
    shapes = {
        name: (n_signal * up[None], n_signal * down[None])
        for name, (up, down) in peak_shapes(run.fit_edges, best.mass, best.width, errors).items()
    }
    found = signal_variations(events, errors, shapes)
    if best.efficiency < 1:
        found = {name: Variation(_padded(v.up), _padded(v.down)) for name, v in found.items()}
    return SignalTemplates(events, found)


def simulated_templates(run: Run, best: BestResult, scores: Scores) -> SignalTemplates:
    """Return the simulated signal, scaled to the number of selected events that were found.

    Parameters
    ----------
    run : Run
        The search, whose models have scored the signal and its varied columns.
    best : BestResult
        Its best window and selection.
    scores : Scores
        As models gave them.

    Raises
    ------
    InputError
        If no simulated event passes the selection.
    """
    share = np.bincount(scores.fold, minlength=run.config.folds)
    level = run.config.spectra.index(best.efficiency)
    edges, errors = run.fit_edges, signal_errors(run.config.uncertainties)

    def filled(mass: Array, probability: Array) -> Array:
        rows = [probability[level], probability[0] - probability[level]][: 1 if level == 0 else 2]
        return np.array([np.histogram(mass, edges, weights=each)[0] for each in rows])

    signal = read_signal_scores(run, best.window)
    passing = passing_signal(run, signal, scores, best.window)
    probability = np.average(passing, axis=1, weights=share)
    nominal = filled(signal.sample.mass, probability)
    if not nominal[0].any():
        msg = (
            f"signal: none of its {len(signal.sample)} events passes the selection {best.efficiency:g} "
            "in the range of the scan, so that it has no template; give a signal of the mass that was "
            "found, or leave signal out"
        )
        raise InputError(msg)
    scale = max(best.n_signal, 1.0) / nominal[0].sum()
    shapes = {
        name: tuple(scale * filled(mass, probability) for mass in both)
        for name, both in moved_masses(signal.sample.mass, errors).items()
    }
    for name in run.config.uncertainties.variations:
        pair = []
        for sign in ("up", "down"):
            varied = read_signal_scores(run, best.window, varied=f"{name}_{sign}")
            passes = passing_signal(run, varied, scores, best.window)
            chance = np.average(passes, axis=1, weights=share)
            pair.append(scale * filled(varied.sample.mass, chance))
        shapes[name] = tuple(pair)
    found = signal_variations(scale * nominal, errors, shapes)
    if level:
        measured = signal_efficiency(passing[level], share)
        relative = min(measured.error / measured.value, 0.99)
        of_tagger = signal_variations(scale * nominal, SignalErrors(tagger=relative), {})
        found["tagger_simulation"] = of_tagger["tagger"]
    return SignalTemplates(scale * nominal, found)


def _padded(rows: Array) -> Array:
    """Return a row of no events below: of a signal that fails nothing is known."""
    return np.vstack([rows, np.zeros_like(rows)])
