"""The results of the statistical step: plain records, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core import Record
from ...core.tables import Printed, Style, Table
from ..spectra.resonance import Resonance
from ..spectra.spectrum import SpectrumFit
from .printed import error_of, probability, selection_name, significances
from .pseudo_experiments import GlobalP
from .trials import Trials

__all__ = ["Best", "HuntResult", "Repeats", "SelectionResult", "WindowResult", "windows_table"]


@dataclass(frozen=True)
class SelectionResult(Record):
    """One selection in one window: the row that all results are made of.

    Attributes
    ----------
    efficiency : float
        Background efficiency of the cut on the score; 1 is no selection.
    observed : int
        Events in the signal region.
    expected, expected_error : float
        Background there from the sideband fit, and the error of that fit; the error is None
        where the fit has none.
    spurious : float
        Standard deviation of the signal that the function fabricates, events; included in the
        p-value.
    p_local, z_local : float or None
        Local p-value, one-sided significance (-8.2 where nothing is observed). None where the row
        is flagged: such a p-value is not quoted.
    chi2, ndf : float, int
        Poisson deviance of the fit outside the signal region and its guard, degrees of freedom.
    fit_p_value : float
        Goodness of that fit, from pseudo-experiments.
    flagged : bool
        The fit does not describe its sidebands, or the selection is refused: not to be quoted,
        and not counted.
    refused : bool
        The selection sculpts the spectrum more than the fit absorbs, or has an excess that the
        spectrum before selection cannot hide; or it is the spectrum before selection, counted and not
        fitted (``FitModel.background``).
    searched : bool
        The row is one of the tests of the search; if not, it is shown for comparison.

    Examples
    --------
    >>> row = SelectionResult(0.01, 141, 100.0, 3.0, 4.0, 7e-5, 3.8, 12.0, 10, 0.3, False, False)
    >>> row.total_error
    5.0
    """

    efficiency: float
    observed: int
    expected: float
    expected_error: float | None
    spurious: float
    p_local: float | None
    z_local: float | None
    chi2: float
    ndf: int
    fit_p_value: float
    flagged: bool
    refused: bool
    searched: bool = True

    @property
    def total_error(self) -> float:
        """Error of the fit and spurious signal in quadrature, events.

        For models that know one error only; a workspace takes both apart.
        """
        return float(np.hypot(self.expected_error or 0.0, self.spurious))

    @property
    def background(self) -> str:
        """Expected background and the error of its fit in words."""
        return f"{self.expected:.1f} ± {error_of(self.expected_error, '.1f')}"


@dataclass(frozen=True)
class WindowResult(Record):
    """One window of the scan, in GeV.

    Attributes
    ----------
    center, low, high : float
        Geometric center and edges of the signal region.
    unselected : SelectionResult
        The spectrum before selection; it is searched where 1 is among the efficiencies, and
        otherwise shown for comparison.
    selections : tuple of SelectionResult
        From loose to tight.

    Examples
    --------
    >>> row = SelectionResult(0.01, 141, 100.0, 3.0, 4.0, 7e-5, 3.8, 12.0, 10, 0.3, False, False)
    >>> WindowResult(3464.1, 3000.0, 4000.0, row, ()).most_significant is row
    True
    """

    center: float
    low: float
    high: float
    unselected: SelectionResult
    selections: tuple[SelectionResult, ...]

    @property
    def rows(self) -> tuple[SelectionResult, ...]:
        """The unselected spectrum, then the selections."""
        return (self.unselected, *self.selections)

    def place_of(self, efficiency: float) -> int:
        """Return the place of a selection among the rows: 0 is the unselected spectrum."""
        return [row.efficiency for row in self.rows].index(efficiency)

    @property
    def searched(self) -> tuple[SelectionResult, ...]:
        """The rows that are searched, from loose to tight."""
        return tuple(row for row in self.rows if row.searched)

    @property
    def most_significant(self) -> SelectionResult | None:
        """The row with the smallest p-value of those searched; None where none may be quoted."""
        rows = self.searched
        quotable = {k: row.p_local for k, row in enumerate(rows) if row.p_local is not None}
        return rows[min(quotable, key=quotable.__getitem__)] if quotable else None


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
    odds_widths : tuple of float
        Widths of the constraints of slope, curvature and so on of the log-odds of passing; empty
        for the unselected spectrum.

    Examples
    --------
    >>> peak = Resonance(3520.0, 20.0, 110.0, 15.0, 55.0, 12.0, 4.6, valid=True)
    >>> best = Best(3, 0.01, p_local=7e-6, z_local=4.3, resonance=peak, spectra=(None, None))
    >>> best.resonance.mass, best.efficiency
    (3520.0, 0.01)
    """

    window: int
    efficiency: float
    p_local: float
    z_local: float
    resonance: Resonance
    spectra: tuple[SpectrumFit | None, ...]
    odds_widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Repeats(Record):
    """What each partition into folds says on its own.

    Attributes
    ----------
    representative : int
        The partition that spectra, yields and limits are of.
    shown : tuple of tuple of int
        The partition whose counts and fit each row shows, by window and selection: another one than
        the representative where that may not be quoted and most others may.
    spread : float or None
        Standard deviation of the significances of the partitions where the combined one is largest;
        None without a result.
    z_local : tuple of tuple of tuple of float or None
        Significance by partition, window and selection, the unselected spectrum first; None where
        it may not be quoted.
    largest_z, p_global : tuple of float or None
        The largest significance of each partition, and its global p-value if it were alone.

    Examples
    --------
    >>> Repeats(0, ((0, 0),), 0.4, (((0.1, 2.0),), ((0.1, 1.4),)), (2.0, 1.4), (0.1, 0.3)).number
    2
    """

    representative: int
    shown: tuple[tuple[int, ...], ...]
    spread: float | None
    z_local: tuple[tuple[tuple[float | None, ...], ...], ...]
    largest_z: tuple[float | None, ...]
    p_global: tuple[float | None, ...]

    @property
    def number(self) -> int:
        """How many partitions there are."""
        return len(self.z_local)


@dataclass(frozen=True)
class HuntResult(Printed, Record):
    """Result of the statistical step; printed, it is a table with one line a window.

    Attributes
    ----------
    edges : tuple of float
        Bin edges of the fits, GeV.
    function : str
        Background function.
    windows : tuple of WindowResult
        The scan.
    unselected_counted : bool
        The spectra before selection are searched too.
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
    repeats : Repeats or None
        Where there are several partitions into folds: what each says alone. The p-values are then
        combined ones, all else is of the representative partition.
    odds_widths : tuple of tuple of float
        For each selection, from loose to tight, the constraints of its efficiency from the slope on
        (`overdensity.stats.search.odds_prior`).

    Examples
    --------
    >>> nothing = HuntResult(
    ...     (2500.0, 6000.0), "dijet3", (), False, None, None, None, 12.0, 10, 0.3, 0.0, ()
    ... )
    >>> print(nothing)
    hunt in 0 windows, 2500-6000 GeV, background dijet3
    ...
    - no window has a fit that may be quoted: there is no result
    """

    edges: tuple[float, ...]
    function: str
    windows: tuple[WindowResult, ...]
    unselected_counted: bool
    best: Best | None
    global_p: GlobalP | None
    trials: Trials | None
    unselected_chi2: float
    unselected_ndf: int
    unselected_p_value: float
    null_mismatch: float
    flags: tuple[str, ...]
    repeats: Repeats | None = None
    odds_widths: tuple[tuple[float, ...], ...] = ()

    def table(self) -> Table:
        """Return one line a window, with its most significant selection."""
        return windows_table(
            f"hunt in {len(self.windows)} windows, {self.edges[0]:.0f}-{self.edges[-1]:.0f} GeV, "
            f"background {self.function}",
            self.windows,
            best=None if self.best is None else self.best.window,
            notes=(self._sentence(), *self.flags),
        )

    def _sentence(self) -> str:
        """Return the mass and both significances in words."""
        if self.best is None or self.global_p is None:
            return "no window has a fit that may be quoted: there is no result"
        peak = self.best.resonance
        return f"mass {peak.mass:.0f} ± {error_of(peak.mass_error)} GeV: " + significances(
            self.best.z_local,
            self.global_p.z_global,
            is_limit=self.global_p.is_limit,
            extrapolated=self.global_p.extrapolated,
        )


def windows_table(
    title: str,
    windows: Sequence[WindowResult],
    *,
    best: int | None,
    notes: tuple[str, ...] = (),
) -> Table:
    """Return one line a window: its most significant spectrum, and the unselected one beside it.

    Parameters
    ----------
    title : str
        Above the table.
    windows : sequence of WindowResult
        The scan.
    best : int or None
        The window in bold.
    notes : tuple of str
        Sentences below.

    Returns
    -------
    Table
    """
    rows: list[tuple[str, ...]] = []
    styles: dict[int, Style] = {}
    for index, window in enumerate(windows):
        row = window.most_significant
        if row is None:
            cells = ("flagged",) * 5
            styles[index] = "dim"
        else:
            cells = (
                selection_name(row.efficiency),
                str(row.observed),
                row.background,
                probability(row.p_local),
                f"{row.z_local:.1f}σ",
            )
        z_before = window.unselected.z_local
        untested = "-" if window.unselected.refused else "flagged"
        before = untested if z_before is None else f"{z_before:.1f}σ"
        rows.append((f"{window.low:.0f}-{window.high:.0f}", *cells, before))
        if index == best:
            styles[index] = "bold"
    columns = (
        *("window [GeV]", "selection", "observed", "expected", "p local", "z local"),
        "z all events",
    )
    return Table(title, columns, tuple(rows), styles, notes=notes)
