"""The record of ``overdensity limits``: ``limits.json``."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Record
from ...core.tables import Printed, Table
from ...stats import SelectionResult
from ...stats.search.printed import selection_name
from ..stages.provenance import Provenance

__all__ = [
    "InjectionPoint",
    "LimitsResults",
    "PointSelection",
    "Reach",
    "SignalLimits",
    "StrengthLimit",
    "WindowLimits",
    "YieldLimit",
]

Bands = tuple[float | None, ...]


@dataclass(frozen=True)
class YieldLimit(Record):
    """Upper limit on the signal events of one selection in one signal region.

    Attributes
    ----------
    selection : SelectionResult
        The counts it is set on.
    observed : float or None
        The limit, in selected events; None where the selection is flagged.
    expected : tuple of float or None
        At -2, -1, 0, 1, 2 σ of the background-only expectation; empty where flagged.
    """

    selection: SelectionResult
    observed: float | None
    expected: Bands

    @property
    def efficiency(self) -> float:
        """Background efficiency of the cut on the score."""
        return self.selection.efficiency


@dataclass(frozen=True)
class WindowLimits(Record):
    """Limits on the selected yields of one window; center, low and high in GeV."""

    center: float
    low: float
    high: float
    selections: tuple[YieldLimit, ...]


@dataclass(frozen=True)
class StrengthLimit(Record):
    """Upper limit on the strength of a signal: its events before any selection of the search.

    Attributes
    ----------
    efficiency : float
        The selection, which has the smallest median expected limit.
    observed : float or None
        None beyond the largest injected strength.
    expected : tuple of float or None
        At -2, -1, 0, 1, 2 σ.
    pseudo_expected : tuple of float or None
        Limits of the pseudo-datasets without injected signal, one for each repeat; empty for a
        limit without retraining.
    eps_s : float or None
        Fraction of the signal events that ends up selected, less what the sideband fit takes for
        background, at the median expected limit; None where that is beyond the largest injected
        strength.
    cross_section_observed : float or None
        In fb; None without luminosity.
    cross_section_expected : tuple of float or None
        In fb; empty without luminosity.
    """

    efficiency: float
    observed: float | None
    expected: Bands
    pseudo_expected: Bands
    eps_s: float | None
    cross_section_observed: float | None
    cross_section_expected: Bands


@dataclass(frozen=True)
class PointSelection(Record):
    """One selection at one injected strength, as quantiles over the repeats.

    Quantiles are those of -2, -1, 0, 1, 2 σ.

    Attributes
    ----------
    efficiency : float
        The selection.
    z_local : tuple of float
        Local significance; 0 where the fit is flagged.
    eps_s : tuple of float
        Signal efficiency after retraining.
    absorbed : float
        Fraction of the selected signal by which the sideband fit rises, mean over the repeats.
    selected_signal : float
        Injected events selected in the signal region, mean over the repeats.
    """

    efficiency: float
    z_local: tuple[float, ...]
    eps_s: tuple[float, ...]
    absorbed: float
    selected_signal: float


@dataclass(frozen=True)
class InjectionPoint(Record):
    """One injected strength.

    Attributes
    ----------
    strength : float
        Expected events.
    repeats : int
        Searches behind it.
    z_global : tuple of float
        Global significance of the best selection of this window, as quantiles; as large as the
        pseudo-experiments of the run can tell.
    selections : tuple of PointSelection
        From loose to tight.
    """

    strength: float
    repeats: int
    z_global: tuple[float, ...]
    selections: tuple[PointSelection, ...]


@dataclass(frozen=True)
class Reach(Record):
    """Strengths from which on the median significance is larger; None beyond the largest.

    Attributes
    ----------
    local_3, local_5 : float or None
        3 and 5 σ local, in the selection of the limit.
    global_3, global_5 : float or None
        3 and 5 σ global, in the best selection; None too where the run has thrown too few
        pseudo-experiments to tell such a significance.
    """

    local_3: float | None
    local_5: float | None
    global_3: float | None
    global_5: float | None


@dataclass(frozen=True)
class SignalLimits(Record):
    """Limits on one signal model.

    Attributes
    ----------
    name : str
        Of the model.
    mass : float
        Where it is drawn, GeV.
    window : int
        The window with the largest share of its events.
    low, high : float
        Its signal region, GeV.
    share : float
        Fraction of the signal events in the signal region, before selection.
    events : int
        Signal events in the files.
    per_event : float or None
        Cross section (fb) that one event before selection stands for; None without luminosity.
    cross_section : float or None
        Predicted, fb.
    fixed : StrengthLimit or None
        Without retraining: the selections of the run as they are. None where all are flagged.
    injected : StrengthLimit or None
        With retraining; None without injections.
    points : tuple of InjectionPoint
        The injections behind it, from strength 0 up.
    reach : Reach or None
        Of discovery.
    """

    name: str
    mass: float
    window: int
    low: float
    high: float
    share: float
    events: int
    per_event: float | None
    cross_section: float | None
    fixed: StrengthLimit | None
    injected: StrengthLimit | None
    points: tuple[InjectionPoint, ...]
    reach: Reach | None


@dataclass(frozen=True)
class LimitsResults(Printed, Record):
    """All limits of a run; printed, it is a table of them.

    Attributes
    ----------
    level : float
        Confidence level.
    windows : tuple of WindowLimits
        On selected yields.
    signals : tuple of SignalLimits
        On signal models.
    luminosity : float or None
        1/fb.
    flags : tuple of str
        What a reader must know.
    provenance : Provenance
        Versions, configuration, inputs.
    """

    schema = 2  # since the limit on a yield holds the row that it is set on
    made_by = "'overdensity limits'"

    level: float
    windows: tuple[WindowLimits, ...]
    signals: tuple[SignalLimits, ...]
    luminosity: float | None
    flags: tuple[str, ...]
    provenance: Provenance

    def table(self) -> Table:
        """Return the limits on signal models, or those on selected events where there is none."""
        level = f"{100 * self.level:g} % CLs upper limits on"
        if not self.signals:
            return Table(
                f"{level} selected signal events",
                ("window [GeV]", "selection", "observed", "median expected"),
                tuple(
                    (
                        f"{window.low:.0f}-{window.high:.0f}",
                        selection_name(limit.efficiency),
                        _events(limit.observed),
                        _events(limit.expected[2] if limit.expected else None),
                    )
                    for window in self.windows
                    for limit in window.selections
                ),
                notes=self.flags,
            )
        columns = ("signal", "training", "selection", "observed", "median expected", "in fb")
        return Table(
            f"{level} signal events before selection",
            columns,
            tuple(
                (
                    signal.name,
                    training,
                    selection_name(limit.efficiency),
                    _events(limit.observed),
                    _events(limit.expected[2]),
                    _events(limit.cross_section_observed),
                )
                for signal in self.signals
                for training, limit in (("as it was", signal.fixed), ("repeated", signal.injected))
                if limit is not None
            ),
            left=1,
            notes=self.flags,
        )


def _events(number: float | None) -> str:
    return "-" if number is None else f"{number:.3g}"
