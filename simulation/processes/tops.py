"""Top quarks and W bosons, which decay to quarks: from resonances, in pairs, alone, and beside a jet."""

from __future__ import annotations

from dataclasses import dataclass

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

_TOP_MASS, _BOTTOM_MASS = 171.0, 4.8  # GeV, Pythia's
_ZPRIME, _WPRIME = 32, 34


@register_kind("zprime_tt")
@dataclass(frozen=True)
class ZprimeTT(ProcessKind):
    """Z' → t tbar, t → b q q: Pythia's ``NewGaugeBoson:ffbar2gmZZprime`` without γ and Z.

    Attributes
    ----------
    mass : float
        Of the Z', GeV.
    width : float
        Over mass.

    Examples
    --------
    >>> ZprimeTT(mass=2500.0).facts().decay
    "Z' → t t, t → b q q"
    """

    mass: float = 3500.0
    width: float = 0.01
    jet = 6

    def __post_init__(self) -> None:
        require_positive(self)
        refuse_broad(self, "width")
        refuse_too_light("Z'", self.mass, ("t", _TOP_MASS), ("t", _TOP_MASS))

    def lines(self, settings: GeneratorSettings) -> list[str]:  # noqa: ARG002 - the ranges are of QCD
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            *("NewGaugeBoson:ffbar2gmZZprime = on", "Zprime:gmZmode = 3"),
            *narrow(_ZPRIME, self.mass, self.width),
            *(f"{_ZPRIME}:onMode = off", f"{_ZPRIME}:onIfMatch = 6 -6"),
            *HADRONIC_BOSONS,
        ]

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        return KindFacts("Z' → t t, t → b q q", self.mass, (DaughterFacts("t", _TOP_MASS, 3),) * 2)


@register_kind("wprime_tb")
@dataclass(frozen=True)
class WprimeTB(ProcessKind):
    """W' → t b, t → b q q: Pythia's ``NewGaugeBoson:ffbar2Wprime``.

    Attributes
    ----------
    mass : float
        Of the W', GeV.
    width : float
        Over mass.

    Examples
    --------
    >>> WprimeTB(mass=2500.0).facts().decay
    "W' → t b, t → b q q"
    """

    mass: float = 3500.0
    width: float = 0.01
    jet = 6

    def __post_init__(self) -> None:
        require_positive(self)
        refuse_broad(self, "width")
        refuse_too_light("W'", self.mass, ("t", _TOP_MASS), ("b", _BOTTOM_MASS))

    def lines(self, settings: GeneratorSettings) -> list[str]:  # noqa: ARG002 - the ranges are of QCD
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            "NewGaugeBoson:ffbar2Wprime = on",
            *narrow(_WPRIME, self.mass, self.width),
            *(f"{_WPRIME}:onMode = off", f"{_WPRIME}:onIfMatch = 6 -5"),
            *HADRONIC_BOSONS,
        ]

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        daughters = (DaughterFacts("t", _TOP_MASS, 3), DaughterFacts("b", _BOTTOM_MASS, 1))
        return KindFacts("W' → t b, t → b q q", self.mass, daughters)


@register_kind("tops")
@dataclass(frozen=True)
class Tops(ProcessKind):
    """Pairs of top quarks, t → b q q, above the generator's ``pt_hat_min``: Pythia's ``Top``.

    Examples
    --------
    >>> Tops().facts().decay
    't → b q q'
    """

    signal = False
    jet = 6

    def lines(self, settings: GeneratorSettings) -> list[str]:
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            *("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
            f"PhaseSpace:pTHatMin = {settings.pt_hat_min}",
            *HADRONIC_BOSONS,
        ]

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        return KindFacts("t → b q q", None, (DaughterFacts("t", _TOP_MASS, 3),) * 2)


@register_kind("single_top")
@dataclass(frozen=True)
class SingleTop(ProcessKind):
    """Single top quarks, t → b q q, above the generator's ``pt_hat_min``: t and s channel.

    Examples
    --------
    >>> SingleTop().facts().decay
    't → b q q'
    """

    signal = False
    jet = 6

    def lines(self, settings: GeneratorSettings) -> list[str]:
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            *("Top:qq2tq(t:W) = on", "Top:ffbar2tqbar(s:W) = on"),
            f"PhaseSpace:pTHatMin = {settings.pt_hat_min}",
            *HADRONIC_BOSONS,
        ]

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        daughters = (DaughterFacts("t", _TOP_MASS, 3), DaughterFacts("q", 0.0, 1))
        return KindFacts("t → b q q", None, daughters)


@register_kind("w_jets")
@dataclass(frozen=True)
class WJets(ProcessKind):
    """W → q q beside a quark or gluon, above the generator's ``pt_hat_min``: ``WeakBosonAndParton``.

    Examples
    --------
    >>> WJets().facts().decay
    'W → q q'
    """

    signal = False
    jet = 24

    def lines(self, settings: GeneratorSettings) -> list[str]:
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        return [
            *("WeakBosonAndParton:qqbar2Wg = on", "WeakBosonAndParton:qg2Wq = on"),
            f"PhaseSpace:pTHatMin = {settings.pt_hat_min}",
            *HADRONIC_BOSONS,
        ]

    def facts(self) -> KindFacts:
        """Return masses and prongs, see `ProcessKind.facts`."""
        daughters = (DaughterFacts("W", 80.4, 2), DaughterFacts("q", 0.0, 1))
        return KindFacts("W → q q", None, daughters)
