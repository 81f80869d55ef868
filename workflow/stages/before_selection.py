"""What the challenge asks for beside the mass: events before any selection, masses of daughters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core import FitError, InputError, Record
from ...stats import HuntResult
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
from ...stats.spectra.resonance import Resonance
from ..config.search import SearchConfig
from .run import Run
from .scores import Scores, SignalScores, read_signal_scores

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
    run: Run, *, scores: Scores, cut_on: Scores, levels: NDArray[np.int8], result: HuntResult
) -> BeforeSelection | None:
    """Estimate the number of signal events before selection, in the best window.

    Parameters
    ----------
    run : Run
        The search.
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
    peak = best.resonance
    spectra = _Spectra.of(run, scores.sample.mass, levels[:, best.window], peak)
    problems: list[str] = []
    simulated, efficiencies = None, ()
    if run.config.signal:
        signal = read_signal_scores(run, best.window)
        passing = _passing(run.config, signal, scores, cut_on, best.window)
        share = np.bincount(scores.fold, minlength=run.config.folds)
        efficiencies = tuple(signal_efficiency(each, share) for each in passing[1:])
        probability = np.average(passing, axis=1, weights=share)  # by level and event
        simulated = _or_problem(
            lambda: spectra.simulated(signal.sample.mass, probability),
            "with simulated signal",
            problems,
        )
    return BeforeSelection(
        mass=peak.mass,
        width=peak.width,
        unselected=_or_problem(spectra.unselected, "unselected spectrum", problems),
        binormal=_or_problem(spectra.binormal, "all selections together", problems),
        simulated=simulated,
        efficiencies=efficiencies,
        assumptions=(_PEAK, _BINORMAL, *((_SIMULATED,) if run.config.signal else ())),
        problems=tuple(problems),
    )


@dataclass(frozen=True)
class _Spectra:
    """The spectra of the selections in the best window, and the peak that is fitted in them.

    Attributes
    ----------
    run : Run
        The search.
    counts : ndarray of shape (n_selections + 1, n_bins)
        Events that pass at least so many selections, in the bins of the fits.
    template : ndarray of shape (n_bins,)
        Shape of the peak.
    """

    run: Run
    counts: Array
    template: Array

    @classmethod
    def of(cls, run: Run, mass: Array, passed: NDArray[np.int8], peak: Resonance) -> _Spectra:
        """Count the events, of given mass (GeV) and number of selections passed."""
        edges, levels = run.fit_edges, range(len(run.config.spectra))
        counts = [np.histogram(mass[passed >= level], edges)[0] for level in levels]
        return cls(run, np.array(counts), gaussian_template(edges, peak.mass, peak.width))

    def unselected(self) -> NumberOfEvents:
        """Return the signal events in the unselected spectrum."""
        (s,), (error,) = self._yields(self.counts[:1], (1.0,), self.template)
        return NumberOfEvents(1.0, float(s), float(error))

    def binormal(self) -> JointYield:
        """Return the signal events by all selections together, for a binormal score."""
        return binormal_yield(*self._in_shells(self.template), self.run.config.spectra)

    def simulated(self, mass: Array, probability: Array) -> JointYield:
        """Return the signal events by all selections, with the efficiency of simulated signal.

        Parameters
        ----------
        mass : ndarray of shape (n_signal,)
            Of the simulated events, GeV.
        probability : ndarray of shape (n_selections + 1, n_signal)
            To pass each selection.
        """
        in_shell = probability - np.vstack([probability[1:], np.zeros_like(probability[:1])])
        edges = self.run.fit_edges
        templates = np.array([sample_template(edges, mass, each) for each in in_shell])
        shares = templates.sum(axis=1)
        shapes = templates / np.where(shares > 0, shares, 1.0)[:, None]
        shapes[shares == 0] = self.template  # none of the signal: its shape does not matter
        return combined_yield(*self._in_shells(np.vstack([shapes[:1], shapes])), shares)

    def _in_shells(self, templates: Array) -> tuple[Array, Array]:
        """Fit the spectra of events that pass exactly so many selections."""
        shells = nested_shells(self.counts)
        fractions = np.maximum(shells.sum(axis=1), 1) / self.counts[0].sum()
        spectra = np.vstack([self.counts[:1], shells])
        s, error = self._yields(spectra, (1.0, *fractions), templates)
        return s[1:], error[1:]

    def _yields(
        self, counts: Array, fractions: Sequence[float], templates: Array
    ) -> tuple[Array, Array]:
        return spectrum_yields(
            self.run.fit_edges, counts, fractions, templates, model=self.run.fit_model
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


def _passing(
    config: SearchConfig, signal: SignalScores, scores: Scores, cut_on: Scores, window: int
) -> NDArray[np.bool_]:
    """Return which simulated events pass, shape (n_selections + 1, n_folds, n_events).

    A tighter selection keeps none that a looser one does not.
    """
    mass, log_mass = signal.sample.mass, np.log(scores.sample.mass)
    inside = (mass >= config.scan.low) & (mass < config.scan.high)
    passing = np.zeros((len(config.spectra), config.folds, mass.size), dtype=bool)
    passing[0] = inside
    for fold in range(config.folds):
        rows = scores.fold == fold
        for level, efficiency in enumerate(config.cuts, start=1):
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
