"""Resonances that decay to gluons: the two signals of Black Box 3 (arXiv:2101.08320, section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..settings import GeneratorSettings, refuse_broad, require_positive
from .kind import DaughterFacts, KindFacts, ProcessKind, narrow, refuse_too_light, register_kind

__all__ = ["GluonR", "GravitonGG"]

_GRAVITON = 5_100_039


@register_kind("graviton_gg")
@dataclass(frozen=True)
class GravitonGG(ProcessKind):
    """Kaluza-Klein graviton → g g: Pythia's ``ExtraDimensionsG*`` (Bijnens et al., hep-ph/0101316).

    Attributes
    ----------
    mass : float
        Of the graviton, GeV.
    width : float
        Over mass.

    Examples
    --------
    >>> GravitonGG(mass=3000.0).facts().decay
    'G → g g'
    """

    mass: float = 4200.0
    width: float = 0.01

    def __post_init__(self) -> None:
        require_positive(self)
        refuse_broad(self, "width")

    def lines(self, settings: GeneratorSettings) -> list[str]:  # noqa: ARG002 - the ranges are of QCD
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            "ExtraDimensionsG*:gg2G* = on",
            "ExtraDimensionsG*:ffbar2G* = on",
            *narrow(_GRAVITON, self.mass, self.width),
            f"{_GRAVITON}:onMode = off",
            f"{_GRAVITON}:onIfMatch = 21 21",
        ]

    def facts(self) -> KindFacts:
        """Return the mass, see `ProcessKind.facts`."""
        return KindFacts("G → g g", self.mass, (DaughterFacts("g", 0.0, 1),) * 2)


@register_kind("gluon_r")
@dataclass(frozen=True)
class GluonR(ProcessKind):
    """Kaluza-Klein resonance → R g with a neutral scalar R → g g (Agashe et al., arXiv:1612.00047).

    The resonance is a color octet, as the KK gluon of that paper: a singlet, such as a graviton,
    cannot decay to a singlet R and one gluon.

    Attributes
    ----------
    mass : float
        Of the resonance, GeV.
    mass_r : float
        Of R, GeV.
    width, width_r : float
        Over mass.

    Examples
    --------
    >>> GluonR(mass_r=5000.0)
    Traceback (most recent call last):
    overdensity.core.errors.InputError: a resonance of 4200 GeV cannot decay to R of 5000 GeV: make it heavier
    """

    mass: float = 4200.0
    mass_r: float = 2217.0
    width: float = 0.01
    width_r: float = 0.01

    def __post_init__(self) -> None:
        require_positive(self)
        refuse_broad(self, "width", "width_r")
        refuse_too_light("resonance", self.mass, ("R", self.mass_r))

    def lines(self, settings: GeneratorSettings) -> list[str]:  # noqa: ARG002 - the ranges are of QCD
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        from ..resonances.kk_gluon import octet_lines  # noqa: PLC0415 - imports pythia8mc

        return octet_lines(self.mass, self.mass_r, self.width, self.width_r)

    def hard_process(self, settings: GeneratorSettings) -> Any:  # noqa: ARG002 - as in the base
        """Return q qbar → G → R g for Pythia."""
        from ..resonances.kk_gluon import OctetToGluonR  # noqa: PLC0415 - imports pythia8mc

        return OctetToGluonR(self.mass, self.width)

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        daughters = (DaughterFacts("R", self.mass_r, 2), DaughterFacts("g", 0.0, 1))
        return KindFacts("G → R g, R → g g", self.mass, daughters)
