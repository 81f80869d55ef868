"""Any process of Pythia."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import GeneratorSettings
from .decay_tables import read_decay_tables
from .kind import DaughterFacts, KindFacts, ProcessKind, register_kind

__all__ = ["BySettings"]


@register_kind("pythia")
@dataclass(frozen=True)
class BySettings(ProcessKind):
    """Any process of Pythia, by its settings, which are those of the process in the recipe.

    What its truth is, where it is a signal that others are asked for, has to be said.

    Attributes
    ----------
    decay : str
        In words.
    resonance_mass : float, optional
        In GeV.
    daughters : tuple of DaughterFacts
        What the resonance decays to.
    slha : str
        New particles by a text in the SUSY Les Houches Accord, with quantum numbers, masses and decay
        tables, see `decay_tables.read_decay_tables`.

    Examples
    --------
    >>> BySettings(decay="Z' → q q", resonance_mass=3000.0).facts().resonance_mass
    3000.0
    """

    decay: str = ""
    resonance_mass: float | None = None
    daughters: tuple[DaughterFacts, ...] = ()
    slha: str = ""

    def __post_init__(self) -> None:
        read_decay_tables(self.slha)

    def lines(self, settings: GeneratorSettings) -> list[str]:  # noqa: ARG002 - nothing is set
        """Return nothing: all settings are the recipe's."""
        return []

    def facts(self) -> KindFacts:
        """Return what the recipe says, see `ProcessKind.facts`."""
        daughters = tuple(sorted(self.daughters, key=lambda daughter: -daughter.mass))
        return KindFacts(self.decay, self.resonance_mass, daughters)
