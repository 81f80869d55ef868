"""What the challenge asks for beside the mass: events before any selection, masses of daughters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core import FitError, InputError, Record
from ...stats import Best, HuntResult
from ...stats.selection.efficiency import SignalEfficiency, signal_efficiency
from ...stats.signal.daughters import DaughterMass, daughter_mass
from ...stats.signal.peak_template import peak_template
from ...stats.signal.yields import (
    NumberOfEvents,
    SignalPeak,
    passing_failing_yield,
    sample_template,
    simulated_yield,
    unselected_yield,
)
from .run import Run
from .scores import Scores, SignalScores, read_signal_scores
from .selecting import passing_new

__all__ = ["BeforeSelection", "before_selection", "daughters_of", "passing_signal"]

Array = NDArray[np.float64]
T = TypeVar("T")

_PEAK = (
    "the resonance is a peak with the tails of a dijet resonance, of the mass and width found in the "
    "selected events; as it was quoted because it was large, the number near threshold is biased "
    "upwards"
)
_PASSING = (
    "passing and failing: the core of the peak is as wide in both, and its tails are those of a "
    "resonance that decays to two jets; what fraction passes is left open"
)
_SIMULATED = "with simulated signal: the simulation is the signal that is there"


@dataclass(frozen=True)
class BeforeSelection(Record):
    """Number of signal events before any selection on the score, in the range of the scan.

    Attributes
    ----------
    mass, width : float
        Of the core of the peak, GeV.
    unselected : NumberOfEvents or None
        From the unselected spectrum alone, with the shape of the simulated signal where there is
        one.
    passing_failing : NumberOfEvents or None
        From events that pass the best selection and those that fail it, together; None where the
        unselected spectrum is the best.
    simulated : NumberOfEvents or None
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
    passing_failing: NumberOfEvents | None
    simulated: NumberOfEvents | None
    efficiencies: tuple[SignalEfficiency, ...]
    assumptions: tuple[str, ...]
    problems: tuple[str, ...]


def before_selection(
    run: Run, *, scores: Scores, levels: NDArray[np.int8], result: HuntResult
) -> BeforeSelection | None:
    """Estimate the number of signal events before selection, in the best window.

    Parameters
    ----------
    run : Run
        The search.
    scores : Scores
        As the models gave them.
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
    spectra = _Spectra.of(run, scores.sample.mass, levels[:, best.window], result.odds_widths)
    problems: list[str] = []
    peak = None
    if best.efficiency < 1:
        peak = _or_problem(lambda: spectra.peak(best), "passing and failing", problems)
    mass, width = (
        (best.resonance.mass, best.resonance.width) if peak is None else (peak.mass, peak.width)
    )
    shape, simulated, efficiencies = peak_template(run.fit_edges, mass, width), None, ()
    if run.config.signal:
        signal = read_signal_scores(run, best.window)
        passing = passing_signal(run, signal, scores, best.window)
        share = np.bincount(scores.fold, minlength=run.config.folds)
        efficiencies = tuple(signal_efficiency(each, share) for each in passing[1:])
        probability = np.average(passing, axis=1, weights=share)  # by level and event
        templates = spectra.templates(signal.sample.mass, probability)
        shape = templates.sum(axis=0)
        simulated = _or_problem(
            lambda: spectra.simulated(templates), "with simulated signal", problems
        )
    return BeforeSelection(
        mass=mass,
        width=width,
        unselected=_or_problem(lambda: spectra.unselected(shape), "unselected spectrum", problems),
        passing_failing=None if peak is None else peak.number,
        simulated=simulated,
        efficiencies=efficiencies,
        assumptions=(_PEAK, _PASSING, *((_SIMULATED,) if run.config.signal else ())),
        problems=tuple(problems),
    )


@dataclass(frozen=True)
class _Spectra:
    """The spectra of the selections in the best window.

    Attributes
    ----------
    run : Run
        The search.
    shells : ndarray of shape (n_selections + 1, n_bins)
        Events that pass exactly so many selections, in the bins of the fits.
    odds_widths : tuple of tuple of float
        How far the search has found selections to bend the background.
    """

    run: Run
    shells: Array
    odds_widths: tuple[tuple[float, ...], ...]

    @classmethod
    def of(
        cls,
        run: Run,
        mass: Array,
        passed: NDArray[np.int8],
        odds_widths: tuple[tuple[float, ...], ...],
    ) -> _Spectra:
        """Count the events, of given mass (GeV) and number of selections passed."""
        levels = range(len(run.config.spectra))
        shells = [np.histogram(mass[passed == level], run.fit_edges)[0] for level in levels]
        return cls(run, np.array(shells, dtype=float), odds_widths)

    def peak(self, best: Best) -> SignalPeak:
        """Fit the peak to the events that pass the best selection, and to those that fail it."""
        level = self.run.config.spectra.index(best.efficiency)
        window = self.run.windows[best.window]
        return passing_failing_yield(
            self.run.fit_edges,
            [self.shells[:level].sum(axis=0), self.shells[level:].sum(axis=0)],
            mass=best.resonance.mass,
            width=best.resonance.width,
            low=window.low,
            high=window.high,
            function=self.run.config.fit.function,
            odds_widths=self.odds_widths[level - 1],
        )

    def templates(self, mass: Array, probability: Array) -> Array:
        """Return the share of a simulated signal in each shell and bin.

        Parameters
        ----------
        mass : ndarray of shape (n_signal,)
            Of the simulated events, GeV.
        probability : ndarray of shape (n_selections + 1, n_signal)
            To pass each selection.
        """
        in_shell = probability - np.vstack([probability[1:], np.zeros_like(probability[:1])])
        return np.array([sample_template(self.run.fit_edges, mass, each) for each in in_shell])

    def simulated(self, templates: Array) -> NumberOfEvents:
        """Return the signal events by all selections, with the efficiency of simulated signal."""
        return simulated_yield(
            self.run.fit_edges,
            self.shells,
            templates,
            function=self.run.config.fit.function,
            odds_widths=self.odds_widths,
        )

    def unselected(self, shape: Array) -> NumberOfEvents:
        """Return the signal events in the unselected spectrum."""
        function = self.run.config.fit.function
        return unselected_yield(
            self.run.fit_edges, self.shells.sum(axis=0), shape, function=function
        )


def daughters_of(
    run: Run, scores: Scores, levels: NDArray[np.int8], result: HuntResult
) -> tuple[DaughterMass, ...]:
    """Find the peaks of all features that are masses, among the selected events."""
    best = result.best
    if best is None:
        return ()
    window = result.windows[best.window]
    mass = scores.sample.mass
    inside = (mass >= window.low) & (mass < window.high)
    level = run.config.spectra.index(best.efficiency)
    row = window.rows[level]
    selected = levels[:, best.window] >= level
    found = []
    for name, column in zip(scores.sample.names, scores.sample.features.T, strict=True):
        if name.endswith("mass"):
            groups = column[selected & inside], column[selected & ~inside]
            found.append(daughter_mass(*groups, row.expected, name=name, seed=run.config.seed))
    return tuple(found)


def passing_signal(
    run: Run, signal: SignalScores, scores: Scores, window: int
) -> NDArray[np.bool_]:
    """Return which simulated events pass, shape (n_selections + 1, n_folds, n_events).

    A tighter selection keeps none that a looser one does not.
    """
    inside = np.flatnonzero(run.in_scan(signal.sample.mass))
    passing = np.zeros((len(run.config.spectra), *signal.values.shape), dtype=np.bool_)
    passing[0][:, inside] = True
    passing[1:, :, inside] = passing_new(
        run,
        scores.values[window],
        sample=scores.sample,
        fold=scores.fold,
        window=run.windows[window],
        new=signal.sample.take(inside),
        new_values=signal.values[:, inside],
    )
    return passing


def _or_problem(estimate: Callable[[], T], name: str, problems: list[str]) -> T | None:
    """Return an estimate, or None with the reason among the problems."""
    try:
        return estimate()
    except (FitError, InputError) as error:
        problems.append(f"{name}: {error}")
        return None
