"""Dijets of quarks and gluons."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import GeneratorSettings
from .kind import ProcessKind, register_kind

__all__ = ["Qcd"]


@register_kind("qcd")
@dataclass(frozen=True)
class Qcd(ProcessKind):
    """QCD dijets: all 2 → 2 scatterings, in the ranges of the generator's settings.

    Examples
    --------
    >>> Qcd().lines(GeneratorSettings(pt_hat_min=500.0))
    ['HardQCD:all = on', 'PhaseSpace:pTHatMin = 500.0']
    """

    signal = False

    def lines(self, settings: GeneratorSettings) -> list[str]:
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        lines = ["HardQCD:all = on", f"PhaseSpace:pTHatMin = {settings.pt_hat_min}"]
        if settings.m_hat_min is not None:
            lines.append(f"PhaseSpace:mHatMin = {settings.m_hat_min}")
        if settings.m_hat_max is not None:
            lines.append(f"PhaseSpace:mHatMax = {settings.m_hat_max}")
        return lines
