"""Top quarks and W bosons, which decay to quarks: from resonances, in pairs, alone, and beside a jet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..settings import GeneratorSettings, refuse_broad, require_positive
from .kind import (
    HADRONIC_BOSONS,
    DaughterFacts,
    KindFacts,
    ProcessKind,
    narrow,
    refuse_too_light,
    register_kind,
)

__all__ = ["SingleTop", "Tops", "WJets", "WprimeTB", "ZprimeTT"]

_TOP, _BOTTOM = DaughterFacts("t", 171.0, 3), DaughterFacts("b", 4.8, 1)  # GeV, Pythia's


@dataclass(frozen=True)
class _BosonToTop(ProcessKind):
    """A new boson that decays to a top quark, t → b q q, and another quark.

    Attributes
    ----------
    mass : float
        Of the boson, GeV.
    width : float
        Over mass.
    """

    mass: float = 3500.0
    width: float = 0.01
    jet = 6

    boson: ClassVar[str]
    number: ClassVar[int]  # of the boson in Pythia
    production: ClassVar[tuple[str, ...]]  # settings of Pythia
    other: ClassVar[DaughterFacts]
    decay: ClassVar[str]  # numbers of the quarks in Pythia

    def __post_init__(self) -> None:
        require_positive(self)
        refuse_broad(self, "width")
        both = (_TOP, self.other)
        refuse_too_light(self.boson, self.mass, *((one.name, one.mass) for one in both))

    def lines(self, settings: GeneratorSettings) -> list[str]:  # noqa: ARG002 - the ranges are of QCD
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            *self.production,
            *narrow(self.number, self.mass, self.width),
            *(f"{self.number}:onMode = off", f"{self.number}:onIfMatch = {self.decay}"),
            *HADRONIC_BOSONS,
        ]

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        decay = f"{self.boson} → t {self.other.name}, t → b q q"
        return KindFacts(decay, self.mass, (_TOP, self.other))


@register_kind("zprime_tt")
@dataclass(frozen=True)
class ZprimeTT(_BosonToTop):
    """Z' → t tbar, t → b q q: Pythia's ``NewGaugeBoson:ffbar2gmZZprime`` without γ and Z.

    Attributes
    ----------
    mass, width
        Of the Z', GeV; and over mass.

    Examples
    --------
    >>> ZprimeTT(mass=2500.0).facts().decay
    "Z' → t t, t → b q q"
    """

    boson = "Z'"
    number = 32
    production = ("NewGaugeBoson:ffbar2gmZZprime = on", "Zprime:gmZmode = 3")
    other = _TOP
    decay = "6 -6"


@register_kind("wprime_tb")
@dataclass(frozen=True)
class WprimeTB(_BosonToTop):
    """W' → t b, t → b q q: Pythia's ``NewGaugeBoson:ffbar2Wprime``.

    Attributes
    ----------
    mass, width
        Of the W', GeV; and over mass.

    Examples
    --------
    >>> WprimeTB(mass=2500.0).facts().decay
    "W' → t b, t → b q q"
    """

    boson = "W'"
    number = 34
    production = ("NewGaugeBoson:ffbar2Wprime = on",)
    other = _BOTTOM
    decay = "6 -5"


@dataclass(frozen=True)
class _Background(ProcessKind):
    """A background above the generator's ``pt_hat_min``, whose bosons decay to quarks."""

    signal = False
    jet = 6

    production: ClassVar[tuple[str, ...]]  # settings of Pythia
    decay: ClassVar[str]
    daughters: ClassVar[tuple[DaughterFacts, ...]]

    def lines(self, settings: GeneratorSettings) -> list[str]:
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            *self.production,
            f"PhaseSpace:pTHatMin = {settings.pt_hat_min}",
            *HADRONIC_BOSONS,
        ]

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        return KindFacts(self.decay, None, self.daughters)


@register_kind("tops")
@dataclass(frozen=True)
class Tops(_Background):
    """Pairs of top quarks, t → b q q, above the generator's ``pt_hat_min``: Pythia's ``Top``.

    Examples
    --------
    >>> Tops().facts().decay
    't → b q q'
    """

    production = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")
    decay = "t → b q q"
    daughters = (_TOP, _TOP)


@register_kind("single_top")
@dataclass(frozen=True)
class SingleTop(_Background):
    """Single top quarks, t → b q q, above the generator's ``pt_hat_min``: t and s channel.

    Examples
    --------
    >>> len(SingleTop().facts().daughters)
    2
    """

    production = ("Top:qq2tq(t:W) = on", "Top:ffbar2tqbar(s:W) = on")
    decay = "t → b q q"
    daughters = (_TOP, DaughterFacts("q", 0.0, 1))


@register_kind("w_jets")
@dataclass(frozen=True)
class WJets(_Background):
    """W → q q beside a quark or gluon, above the generator's ``pt_hat_min``: ``WeakBosonAndParton``.

    Examples
    --------
    >>> WJets().facts().decay, WJets().jet
    ('W → q q', 24)
    """

    jet = 24
    production = ("WeakBosonAndParton:qqbar2Wg = on", "WeakBosonAndParton:qg2Wq = on")
    decay = "W → q q"
    daughters = (DaughterFacts("W", 80.4, 2), DaughterFacts("q", 0.0, 1))
