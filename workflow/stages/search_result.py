"""The record of a search: ``results.json``, which other programs read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ...core import Record
from ...core.tables import Printed, Table
from ...ml.thin_windows import ThinWindow
from ...stats import (
    FunctionChoice,
    Independence,
    Sculpting,
    SelectionResult,
    SpectrumFit,
    SpuriousSignal,
    Trials,
    WindowResult,
)
from ...stats.search.fit_start import FitStart
from ...stats.search.hunt_result import Repeats, windows_table
from ...stats.search.printed import error_of, significances
from ...stats.signal.daughters import DaughterMass
from ..config.reading import parse_config
from .before_selection import BeforeSelection
from .provenance import Provenance
from .run import Run

__all__ = [
    "HIDES_SIGNAL",
    "BestResult",
    "FitQuality",
    "SearchResults",
    "TruthSummary",
    "run_of_results",
]

HIDES_SIGNAL = (
    "fit.spurious: data counts a signal in the searched events as spurious, so that it hides itself: "
    "p-values and limits are not to be quoted; set none, or simulated background"
)
"""The flag of all that was made with a spurious signal measured on the searched data."""


@dataclass(frozen=True)
class BestResult(Record):
    """The most significant window and selection.

    Attributes
    ----------
    mass, mass_error : float
        Position of a peak fitted to the selected spectrum, GeV; the error is None where that fit
        did not converge.
    window : int
        Index of the window.
    low, high : float
        Its signal region, GeV.
    efficiency : float
        The selection.
    p_local, z_local : float
        Local p-value and significance.
    p_global, z_global : float
        After the trials of the whole scan.
    p_global_error : float
        Error of p_global from the number of pseudo-experiments.
    p_global_is_limit : bool
        No pseudo-experiment came up to the data: p_global is an upper limit, z_global a lower.
    p_global_extrapolated : bool
        None came up to the data, and p_global goes on with the up-crossings of all
        (`overdensity.stats.search.trials.beyond_pseudo_experiments`).
    pseudo_experiments : int
        How many were thrown.
    n_signal, n_signal_error : float
        Events in the fitted peak, after the selection.
    width : float
        Standard deviation of the fitted peak, GeV.
    odds_widths : tuple of float
        Constraints of the efficiency of the selection (`overdensity.stats.Best`).
    """

    mass: float
    mass_error: float | None
    window: int
    low: float
    high: float
    efficiency: float
    p_local: float
    z_local: float
    p_global: float
    z_global: float
    p_global_error: float
    p_global_is_limit: bool
    p_global_extrapolated: bool
    pseudo_experiments: int
    n_signal: float
    n_signal_error: float | None
    width: float
    odds_widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class FitQuality(Record):
    """Goodness of the sideband fit of one selection in the best window.

    Attributes
    ----------
    efficiency : float
        The selection; 1 is none.
    chi2, ndf : float, int
        Poisson deviance and degrees of freedom.
    p_value : float
        From pseudo-experiments.
    """

    efficiency: float
    chi2: float
    ndf: int
    p_value: float

    @classmethod
    def of(cls, row: SelectionResult) -> Self:
        """Return that of a row of the scan."""
        return cls(row.efficiency, row.chi2, row.ndf, row.fit_p_value)


@dataclass(frozen=True)
class TruthSummary(Record):
    """The truth of the selected events of the best window, where the input has it.

    Attributes
    ----------
    efficiency : float
        The selection; 1 is none.
    signal, background : int
        True signal and background events in the signal region.
    """

    efficiency: float
    signal: int
    background: int


@dataclass(frozen=True)
class SearchResults(Printed, Record):
    """The result of a search; printed, it is a table with one line a window.

    Attributes
    ----------
    windows : tuple of WindowResult
        The scan.
    best : BestResult or None
        None where no fit may be quoted.
    before_selection : BeforeSelection or None
        Number of signal events before any selection; None without a best window, or where no function
        is fitted (``fit.background``).
    daughters : tuple of DaughterMass
        Peaks of the features that are masses (named ``…mass``), among the selected events.
    trials : Trials or None
        Its global p-value three ways: pseudo-experiments, up-crossings, independent tests.
    spurious : SpuriousSignal or None
        What the background function fabricates in each window; None where it is not measured.
    sculpting : Sculpting
        How the selections bend the spectrum, and which are refused for it.
    independence : tuple of Independence
        For each window with its sidebands, whether what is cut on knows the mass.
    function_choice : FunctionChoice or None
        What the F-test makes of the unselected spectrum; None where that is not fitted.
    fit : tuple of FitQuality
        Per selection, in the best window.
    flags : tuple of str
        What a reader must know, in plain sentences; empty when all is well.
    repeats : Repeats or None
        Where there are several partitions into folds: what each says alone. P-values are then
        combined ones; all else is of the representative partition.
    n_events : int
        Events in the scan range.
    function : str
        Background function, or how the spectrum is counted in its place.
    spectra : tuple of SpectrumFit
        Mass spectra of the best window with their fits, from unselected to tightest; None where
        that fit did not converge.
    pseudo_z : tuple of float
        Largest local significance in the scan of each pseudo-experiment.
    truth : tuple of TruthSummary
        Evaluation, where the input has truth; empty otherwise. No method has seen it.
    cutflow : dict of str to int
        Events left after each step of the processing; empty where columns were given.
    bad_files : dict of str to str
        Files that were skipped on request, with their error.
    key : str
        Hash of all that this result depends on: an unchanged one is not made again.
    provenance : Provenance
        Versions, configuration, inputs.
    odds_widths : tuple of tuple of float
        Constraints of the efficiency of each selection, from loose to tight
        (`overdensity.stats.HuntResult`).
    left_out : tuple of ThinWindow
        Windows that are not searched, since they are too thin to be trained on.
    fit_start : FitStart or None
        Where the fits begin and what was tried, where the start was chosen (``fit.start: auto``).

    Examples
    --------
    >>> SearchResults.from_json("runs/none/results.json")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: runs/none/results.json: no such file
    """

    made_by = "'overdensity hunt'"

    windows: tuple[WindowResult, ...]
    best: BestResult | None
    before_selection: BeforeSelection | None
    daughters: tuple[DaughterMass, ...]
    trials: Trials | None
    spurious: SpuriousSignal | None
    sculpting: Sculpting
    independence: tuple[Independence, ...]
    function_choice: FunctionChoice | None
    fit: tuple[FitQuality, ...]
    flags: tuple[str, ...]
    repeats: Repeats | None
    n_events: int
    function: str
    spectra: tuple[SpectrumFit | None, ...]
    pseudo_z: tuple[float, ...]
    truth: tuple[TruthSummary, ...]
    cutflow: dict[str, int]
    bad_files: dict[str, str]
    key: str
    provenance: Provenance
    odds_widths: tuple[tuple[float, ...], ...]
    left_out: tuple[ThinWindow, ...] = ()
    fit_start: FitStart | None = None

    @property
    def of_all_windows(self) -> str:
        """How many windows were searched, in words, where some were left out."""
        searched, thin = len(self.windows), len(self.left_out)
        return f" ({searched} of {searched + thin} windows searched)" if thin else ""

    @property
    def quotable(self) -> bool:
        """Whether p-values and limits may be quoted at all (`HIDES_SIGNAL`)."""
        return HIDES_SIGNAL not in self.flags

    def table(self) -> Table:
        """Return one line a window, with its most significant selection."""
        return windows_table(
            f"{self.n_events} events in the scan range{self.of_all_windows}{self.of_partitions}",
            self.windows,
            best=None if self.best is None else self.best.window,
            notes=(self.sentence, *self.flags),
        )

    @property
    def partition(self) -> int:
        """The partition into folds that spectra, yields and limits are of."""
        return 0 if self.repeats is None else self.repeats.representative

    @property
    def of_partitions(self) -> str:
        """What is of all partitions into folds, in words, where there are several."""
        number = 0 if self.repeats is None else self.repeats.number
        return f"; p and z of {number} partitions, counts of one" if number else ""

    @property
    def sentence(self) -> str:
        """The mass and both significances in words."""
        best = self.best
        if best is None:
            return "no window has a fit that may be quoted: there is no result"
        unquotable = "" if self.quotable else "not to be quoted: "
        return unquotable + (
            f"mass {best.mass:.0f} ± {error_of(best.mass_error)} GeV: "
            + significances(
                best.z_local,
                best.z_global,
                is_limit=best.p_global_is_limit,
                extrapolated=best.p_global_extrapolated,
            )
        )


def run_of_results(results: SearchResults, folder: Path) -> Run:
    """Return the run that results are of, in the partition into folds that they are of.

    Parameters
    ----------
    results : SearchResults
        Of the search.
    folder : Path
        Where they are now, which need not be where the search was made.

    Raises
    ------
    ConfigError
        If this version cannot use their configuration.
    """
    stored = results.provenance.configuration | {"out": str(folder)}
    config = parse_config(stored, origin=str(folder / "results.json"))
    run = Run(config, results.partition).leaving_out(results.left_out)
    return run if results.fit_start is None else run.starting_at(results.fit_start.start)
