"""The record of ``overdensity expect``: ``expected.json``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core import Record
from ...core.tables import Printed, Table
from ...stats.reach.reach_curve import EventsNeeded, ReachCurve
from ...stats.search.printed import selection_name
from ..config.dependencies import written_values
from ..stages.provenance import Provenance

__all__ = ["GAUSSIAN", "ExpectedPoint", "ExpectedReach", "events_with_band", "expected_of"]

logger = logging.getLogger(__name__)

_WHOLE = 10  # events from which on a fraction of one is not printed

GAUSSIAN = "Gaussian"
"""The name of the resonance for which nothing is trained."""


@dataclass(frozen=True)
class ExpectedPoint(Record):
    """The expected reach for one signal.

    Attributes
    ----------
    name : str
        Of the signal model; `GAUSSIAN` without one.
    mass : float
        Of the resonance, GeV.
    window : int
        Where it is looked for: the window with the largest share of its events.
    low, high : float
        Its signal region, GeV, which has not been seen.
    share : float
        Fraction of the signal events in it, before selection.
    trained : bool
        Whether the efficiency of the selections comes from trainings on pseudo-data with signal;
        else it is the one that the configuration states.
    largest : float or None
        The largest number of signal events that a training has had; None where there was none.
    sideband_p : float
        Goodness of the fit outside the signal region.
    curve : ReachCurve
        Significance against the number of signal events, and the number needed.
    """

    made_by = "'overdensity expect'"

    name: str
    mass: float
    window: int
    low: float
    high: float
    share: float
    trained: bool
    largest: float | None
    sideband_p: float
    curve: ReachCurve


@dataclass(frozen=True)
class ExpectedReach(Printed, Record):
    """The expected reach of a search; printed, it is a table of the events needed.

    Attributes
    ----------
    points : tuple of ExpectedPoint
        Signal models, then the Gaussian resonance at its masses.
    assumptions : tuple of str
        What the numbers rest on.
    flags : tuple of str
        What a reader must know; empty when all is well.
    provenance : Provenance
        Versions, configuration, inputs.
    """

    made_by = "'overdensity expect'"

    points: tuple[ExpectedPoint, ...]
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    provenance: Provenance

    def table(self) -> Table:
        """Return two lines a signal: the events for 3 and 5 σ, local and global."""
        columns = ("signal", "mass [GeV]", "z", "selection", "3σ", "5σ")
        return Table(
            "signal events before selection for a median of 3 and 5σ (68 %)",
            columns,
            tuple(row for point in self.points for row in _rows(point)),
            left=1,
            notes=self.flags,
        )


def expected_of(configuration: Mapping[str, Any], out: Path) -> ExpectedReach | None:
    """Return the expected reach of a search, from its folder; None without one, or of another search.

    Parameters
    ----------
    configuration : mapping
        Of the search, as its results hold it.
    out : Path
        Its folder, in which ``expected.json`` may be.
    """
    found = ExpectedReach.found_at(out / "expected.json")
    if found is None or _searched(found.provenance.configuration) == _searched(configuration):
        return found
    logger.warning(
        "%s is of another configuration; it is left out; run %s to make it again",
        out / "expected.json",
        ExpectedReach.made_by,
    )
    return None


def _searched(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a configuration what the reach depends on, but for what is asked of it."""
    values = written_values("expected", configuration)
    del values["expect"]
    return values | {"events": configuration["events"]}


def _rows(point: ExpectedPoint) -> tuple[tuple[str, ...], tuple[str, ...]]:
    curve = point.curve
    local, whole = (
        tuple(
            events_with_band(curve.of(z, whole=each), curve.points[-1].strength) for z in (3.0, 5.0)
        )
        for each in (False, True)
    )
    first = (point.name, f"{point.mass:.0f}", "local", selection_name(curve.selection))
    return (*first, *local), ("", "", "global", "best", *whole)


def events_with_band(needed: EventsNeeded, largest: float) -> str:
    """Return the median number of events with its 68 % band; … is beyond the largest number.

    Examples
    --------
    >>> events_with_band(EventsNeeded(3.0, False, 90.0, (40.0, 65.0, 90.0, None, None)), 100.0)
    '90 (65-…)'
    """
    if needed.median is None:
        return f"> {_number(largest)}"
    low, high = ("…" if each is None else _number(each) for each in needed.events[1:4:2])
    return f"{_number(needed.median)} ({low}-{high})"


def _number(events: float) -> str:
    return f"{events:.0f}" if events >= _WHOLE else f"{events:.1f}"
