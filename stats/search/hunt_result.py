"""What the statistical step hands over: plain records, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Record
from ..spectra.resonance import Resonance
from ..spectra.spectrum import SpectrumFit
from .pseudo_experiments import GlobalP
from .trials import Trials

__all__ = ["Best", "HuntResult", "SelectionResult", "WindowResult"]


@dataclass(frozen=True)
class SelectionResult(Record):
    """One selection in one window.

    Attributes
    ----------
    efficiency : float
        Fraction of events kept; 1 is no selection.
    selected, observed : int
        Events in the whole scan range and in the signal region.
    expected, expected_error : float
        Background in the signal region from the sideband fit; the error is that of the fit.
    p_local, z_local : float
        Local p-value, one-sided significance (-8.2 where nothing is observed).
    chi2, ndf, p_value : float, int, float
        Poisson deviance of the fit outside the window and its guard, degrees of freedom, and
        the p-value from pseudo-experiments.
    flagged : bool
        The fit does not describe its sidebands, or the selection is refused: not to be quoted,
        and not counted.
    counted : bool
        Enters the search for the smallest p-value.
    spurious : float
        Standard deviation of the signal that the function fabricates, events; p-values know it.
    refused : bool
        The selection sculpts the spectrum more than the fit absorbs.
    """

    efficiency: float
    selected: int
    observed: int
    expected: float
    expected_error: float | None
    p_local: float
    z_local: float
    chi2: float
    ndf: int
    p_value: float
    flagged: bool
    counted: bool
    spurious: float = 0.0
    refused: bool = False


@dataclass(frozen=True)
class WindowResult(Record):
    """One window: its signal region (centre, low, high in GeV) and its selections.

    ``unselected`` is the spectrum before selection, for comparison; it is counted only where 1
    is among the efficiencies.
    """

    center: float
    low: float
    high: float
    unselected: SelectionResult
    selections: tuple[SelectionResult, ...]


@dataclass(frozen=True)
class Best(Record):
    """Where the smallest local p-value is.

    Attributes
    ----------
    window : int
        Index of the window.
    efficiency : float
        The selection.
    p_local, z_local : float
        Local p-value and significance.
    resonance : Resonance
        Mass, width and number of events of a peak fitted to the selected spectrum.
    spectra : tuple of SpectrumFit
        Mass spectra of this window with their sideband fits: unselected, then from loose to tight;
        None where Minuit did not converge.
    """

    window: int
    efficiency: float
    p_local: float
    z_local: float
    resonance: Resonance
    spectra: tuple[SpectrumFit | None, ...]


@dataclass(frozen=True)
class HuntResult(Record):
    """Result of the statistical step.

    Attributes
    ----------
    edges : tuple of float
        Bin edges of the fits, GeV.
    function : str
        Background function.
    windows : tuple of WindowResult
        The scan.
    best : Best or None
        None where every fit is flagged.
    global_p : GlobalP or None
        Global p-value of ``best``.
    trials : Trials or None
        Beside it, those from up-crossings and of independent tests.
    unselected_chi2, unselected_ndf, unselected_p_value : float, int, float
        The fit of the unselected spectrum in all bins, signal regions included.
    null_mismatch : float
        `Null.mismatch`.
    flags : tuple of str
        What a reader must know, in plain sentences; empty when all is well.
    """

    edges: tuple[float, ...]
    function: str
    windows: tuple[WindowResult, ...]
    best: Best | None
    global_p: GlobalP | None
    trials: Trials | None
    unselected_chi2: float
    unselected_ndf: int
    unselected_p_value: float
    null_mismatch: float
    flags: tuple[str, ...]
