"""What the challenge asks of a found resonance: events before any selection, masses of daughters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core import FitError, InputError, Record
from ...ml import scan_edges
from ...stats import HuntResult, subdivide
from ...stats.search.daughters import DaughterMass, daughter_mass
from ...stats.search.yields import (
    JointYield,
    NumberOfEvents,
    binormal_yield,
    combined_yield,
    gaussian_template,
    nested_shells,
    sample_template,
    spectrum_yields,
)
from ...stats.selection.efficiency import SignalEfficiency, passes, signal_efficiency
from ..config.search import SearchConfig
from .scoring import Scores, SignalScores, read_signal_scores

__all__ = ["BeforeSelection", "before_selection", "daughters_of"]

Array = NDArray[np.float64]
T = TypeVar("T")

_PEAK = (
    "the resonance is a Gaussian of the mass and width found in the selected events; as it was "
    "quoted because it was large, the number near threshold is biased upwards"
)
_BINORMAL = (
    "all selections together: some increasing function of the score is Gaussian, with equal widths "
    "for background and signal"
)
_SIMULATED = "with simulated signal: the simulation is the signal that is there"


@dataclass(frozen=True)
class BeforeSelection(Record):
    """Number of signal events before any selection on the score, in the range of the scan.

    Attributes
    ----------
    mass, width : float
        Of the peak, GeV.
    unselected : NumberOfEvents or None
        From the unselected spectrum alone.
    binormal : JointYield or None
        From all selections together, signal being shared among them as by a binormal score.
    simulated : JointYield or None
        From all selections and the efficiency of the simulated signal: events at all masses; None
        without simulation.
    efficiencies : tuple of SignalEfficiency
        Of the simulated signal, from the loosest selection on; empty without simulation.
    assumptions : tuple of str
        What the numbers rest on, in plain sentences.
    problems : tuple of str
        Why a number is missing, in plain sentences.
    """

    mass: float
    width: float
    unselected: NumberOfEvents | None
    binormal: JointYield | None
    simulated: JointYield | None
    efficiencies: tuple[SignalEfficiency, ...]
    assumptions: tuple[str, ...]
    problems: tuple[str, ...]


def before_selection(
    config: SearchConfig,
    columns: Sequence[str],
    out: Path,
    *,
    scores: Scores,
    cut_on: Scores,
    levels: NDArray[np.int8],
    result: HuntResult,
) -> BeforeSelection | None:
    """Estimate the number of signal events before selection, in the best window.

    Parameters
    ----------
    config, columns, out
        The search, as for `make_results`.
    scores, cut_on : Scores
        Scores as the models gave them, and the calibrated ones that selections cut on.
    levels : ndarray of shape (n_events, n_windows)
        Selections passed (`levels_of`).
    result : HuntResult
        The statistical step.

    Returns
    -------
    BeforeSelection or None
        None where the search has no result.

    Raises
    ------
    InputError
        If the simulated signal has no scores.
    """
    best = result.best
    if best is None:
        return None
    peak, window = best.resonance, best.window
    edges = subdivide(
        scan_edges(config.scan.low, config.scan.high, config.scan.bins), config.fit.bins_per_bin
    )
    passed = levels[:, window]
    counts = np.array(
        [
            np.histogram(scores.sample.mass[passed >= level], edges)[0]
            for level in range(len(config.selections) + 1)
        ]
    )
    template = gaussian_template(edges, peak.mass, peak.width)
    problems: list[str] = []

    def fitted(counts: Array, fractions: Sequence[float], templates: Array) -> tuple[Array, Array]:
        return spectrum_yields(
            edges,
            counts,
            fractions,
            templates,
            function=config.fit.function,
            sculpting=config.fit.sculpting,
        )

    def in_shells(templates: Array) -> tuple[Array, Array]:
        shells = nested_shells(counts)
        fractions = np.maximum(shells.sum(axis=1), 1) / counts[0].sum()
        s, error = fitted(np.vstack([counts[:1], shells]), (1.0, *fractions), templates)
        return s[1:], error[1:]

    def unselected() -> NumberOfEvents:
        (s,), (error,) = fitted(counts[:1], (1.0,), template)
        return NumberOfEvents(1.0, float(s), float(error))

    def binormal() -> JointYield:
        return binormal_yield(*in_shells(template), (1.0, *config.selections))

    simulated, efficiencies = None, ()
    if config.signal:
        signal = read_signal_scores(config, columns, out, window)
        passing = _passing(config, signal, scores, cut_on, window)
        share = np.bincount(scores.fold, minlength=config.folds)
        efficiencies = tuple(signal_efficiency(each, share) for each in passing[1:])
        within = np.average(passing, axis=1, weights=share)  # probability, by level and event
        of_shell = within - np.vstack([within[1:], np.zeros_like(within[:1])])

        def known() -> JointYield:
            templates = np.array(
                [sample_template(edges, signal.sample.mass, each) for each in of_shell]
            )
            shares = templates.sum(axis=1)
            shapes = templates / np.where(shares > 0, shares, 1.0)[:, None]
            shapes[shares == 0] = template  # none of the signal: its shape does not matter
            return combined_yield(*in_shells(np.vstack([shapes[:1], shapes])), shares)

        simulated = _or_problem(known, "with simulated signal", problems)
    return BeforeSelection(
        mass=peak.mass,
        width=peak.width,
        unselected=_or_problem(unselected, "unselected spectrum", problems),
        binormal=_or_problem(binormal, "all selections together", problems),
        simulated=simulated,
        efficiencies=efficiencies,
        assumptions=(_PEAK, _BINORMAL, *((_SIMULATED,) if config.signal else ())),
        problems=tuple(problems),
    )


def daughters_of(
    config: SearchConfig, scores: Scores, levels: NDArray[np.int8], result: HuntResult
) -> tuple[DaughterMass, ...]:
    """Find the peaks of all features that are masses, among the selected events."""
    best = result.best
    if best is None:
        return ()
    window = result.windows[best.window]
    mass = scores.sample.mass
    inside = (mass >= window.low) & (mass < window.high)
    level = (1.0, *config.selections).index(best.efficiency)
    row = (window.unselected, *window.selections)[level]
    selected = levels[:, best.window] >= level
    found = []
    for name, column in zip(scores.sample.names, scores.sample.features.T, strict=True):
        if name.endswith("mass"):
            groups = column[selected & inside], column[selected & ~inside]
            found.append(daughter_mass(*groups, row.expected, name=name, seed=config.seed))
    return tuple(found)


def _passing(
    config: SearchConfig, signal: SignalScores, scores: Scores, cut_on: Scores, window: int
) -> NDArray[np.bool_]:
    """Return which simulated events pass, shape (n_selections + 1, n_folds, n_events).

    A tighter selection keeps none that a looser one does not.
    """
    mass, log_mass = signal.sample.mass, np.log(scores.sample.mass)
    inside = (mass >= config.scan.low) & (mass < config.scan.high)
    passing = np.zeros((len(config.selections) + 1, config.folds, mass.size), dtype=bool)
    passing[0] = inside
    for fold in range(config.folds):
        rows = scores.fold == fold
        for level, efficiency in enumerate(config.selections, start=1):
            passing[level, fold, inside] = passes(
                scores.values[window, rows],
                cut_on.values[window, rows],
                log_mass[rows],
                efficiency,
                new_scores=signal.values[fold, inside],
                new_log_mass=np.log(mass[inside]),
            )
    return np.logical_and.accumulate(passing, axis=0)


def _or_problem(estimate: Callable[[], T], name: str, problems: list[str]) -> T | None:
    """Return an estimate, or None with the reason among the problems."""
    try:
        return estimate()
    except (FitError, InputError) as error:
        problems.append(f"{name}: {error}")
        return None
