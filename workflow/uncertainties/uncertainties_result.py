"""The record of what uncertainties do to a result: ``uncertainties.json``."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Record
from ...core.tables import Printed, Table
from ...stats.limits.profiled import UpperLimit
from ...stats.uncertainties.envelope import FunctionEnvelope, FunctionProfile
from ...stats.uncertainties.impacts import Impacts, StrengthScan

__all__ = ["Uncertainties"]


@dataclass(frozen=True)
class Uncertainties(Printed, Record):
    """Significance, limit, impacts and scans of the model of the whole range.

    Attributes
    ----------
    events : float
        Selected signal events that a strength of 1 stands for.
    simulated : bool
        Whether the signal is simulated, or the peak that was fitted.
    z_without, z : float
        Significance without and with the uncertainties, mass and width of the signal being given.
    limit_without, limit : UpperLimit
        Limits on the strength, without and with them; asymptotic.
    impacts : Impacts
        Pulls, constraints and impacts of all nuisances.
    scan : StrengthScan
        The likelihood along the strength.
    envelope : FunctionEnvelope or None
        What the background functions say in each window; None where only one is considered.
    profile : FunctionProfile or None
        The strength profiled over functions.
    key : str
        Of all this was made from.
    """

    made_by = "'overdensity hunt'"

    events: float
    simulated: bool
    z_without: float
    z: float
    limit_without: UpperLimit
    limit: UpperLimit
    impacts: Impacts
    scan: StrengthScan
    envelope: FunctionEnvelope | None
    profile: FunctionProfile | None
    key: str

    def table(self) -> Table:
        """Return one line a nuisance."""
        rows = tuple(
            (
                each.name,
                "-" if each.pull is None else f"{each.pull:+.2f}",
                "-" if each.constraint is None else f"{each.constraint:.2f}",
                f"{each.up:+.3f}",
                f"{each.down:+.3f}",
            )
            for each in self.impacts.impacts
        )
        found, without = (each.observed * self.events for each in (self.limit, self.limit_without))
        notes = [
            f"significance {self.z:.2f}σ, {self.z_without:.2f}σ without uncertainties",
            f"limit {found:.3g} selected events, {without:.3g} without",
        ]
        if self.profile is not None:
            names = ", ".join(self.profile.functions)
            notes.append(f"significance {self.profile.z:.2f}σ profiled over {names}")
        columns = ("nuisance", "pull", "constraint", "impact up", "impact down")
        return Table(
            f"strength {self.impacts.mu:.2f} ± {self.impacts.mu_error:.2f}",
            columns,
            rows,
            left=1,
            notes=tuple(notes),
        )
