"""The record of a search with injected signal: one file for each repetition."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Record
from ...stats import SelectionResult

__all__ = ["InjectedSelection", "Injection"]

_MOST_ABSORBED = 0.9


@dataclass(frozen=True)
class InjectedSelection(Record):
    """One selection of a search with injected signal.

    Attributes
    ----------
    selection : SelectionResult
        Counts, fit and p-value, injected signal included.
    selected_signal : int
        Injected events among those observed.
    absorbed : float
        Events by which a signal event (before selection) raises the expected background, as it may
        lie outside the signal region.
    eps_s : float
        Fraction of all signal events that ends up selected in the signal region, measured with
        events that were not injected.
    eps_error : float
        Of it, from the number of those events. The spread of the folds' models is none of it: each
        selects among the events of its own fold, so that their mean is what all events have.
    """

    selection: SelectionResult
    selected_signal: int
    absorbed: float
    eps_s: float
    eps_error: float

    @property
    def net_efficiency(self) -> float:
        """Events by which a signal event raises the observed count above the expected one.

        The sideband fit takes nine tenths of the selected signal at most.
        """
        return self.eps_s - min(max(self.absorbed, 0.0), _MOST_ABSORBED * self.eps_s)

    @property
    def z_or_zero(self) -> float:
        """Local significance; 0 for a fit that may not be quoted."""
        return self.selection.z_local or 0.0


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
        Signal events in the range of the scan behind `eps_s`.
    selections : tuple of InjectedSelection
        From loose to tight.
    """

    schema = 4  # since all signal events measure the efficiency in the run's own training
    made_by = "'overdensity limits'"

    model: str
    strength: float
    repeat: int
    injected: int
    events: int
    scored: int
    selections: tuple[InjectedSelection, ...]

    @property
    def z_best(self) -> float:
        """Largest local significance of the selections that may be quoted, or 0."""
        return max(each.z_or_zero for each in self.selections)
