"""Z' → X Y with X and Y of two or three prongs: the signal of the R&D dataset and of Black Box 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...core import InputError
from ..settings import GeneratorSettings, ZprimeMasses
from .kind import DaughterFacts, KindFacts, ProcessKind, register_kind

__all__ = ["ZprimeXY"]


@register_kind("zprime_xy")
@dataclass(frozen=True)
class ZprimeXY(ProcessKind):
    """q qbar → Z' → X Y, X and Y → q q or q q q (arXiv:2101.08320, figure 1).

    Attributes
    ----------
    masses : ZprimeMasses
        In GeV.
    prongs : int
        Quarks that X decays to, 2 or 3.
    prongs_y : int, optional
        Quarks that Y decays to; by default as many.

    Examples
    --------
    >>> ZprimeXY(ZprimeMasses(x=300.0), prongs=3).facts().daughters[0]
    DaughterFacts(name='X', mass=300.0, prongs=3)
    """

    masses: ZprimeMasses = field(default_factory=ZprimeMasses)
    prongs: int = 2
    prongs_y: int | None = None

    def __post_init__(self) -> None:
        for prongs in self.both:
            if prongs not in (2, 3):
                msg = f"prongs must be 2 (X → q q) or 3 (X → q q q), not {prongs}"
                raise InputError(msg)

    @property
    def both(self) -> tuple[int, int]:
        """Prongs of X and of Y."""
        return self.prongs, self.prongs if self.prongs_y is None else self.prongs_y

    def lines(self, settings: GeneratorSettings) -> list[str]:
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        from ..resonances.zprime import particle_lines  # noqa: PLC0415 - imports pythia8mc

        return particle_lines(self.masses, self.both, settings.zprime_width, settings.xy_width)

    def hard_process(self, settings: GeneratorSettings) -> Any:
        """Return q qbar → Z' → X Y for Pythia."""
        from ..resonances.zprime import ZprimeToXY  # noqa: PLC0415 - imports pythia8mc

        x, y = (settings.xy_polarised and prongs == 2 for prongs in self.both)
        return ZprimeToXY(self.masses.zprime, settings.zprime_width, polarised=(x, y))

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        masses, (x, y) = self.masses, self.both
        daughters = [DaughterFacts("X", masses.x, x), DaughterFacts("Y", masses.y, y)]
        daughters.sort(key=lambda daughter: -daughter.mass)
        decays = ", ".join(f"{name} → {' '.join('q' * n)}" for name, n in (("X", x), ("Y", y)))
        return KindFacts(f"Z' → X Y, {decays}", masses.zprime, tuple(daughters))
