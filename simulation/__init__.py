"""Simulation: Pythia 8 and a parametrised CMS detector write LHC Olympics event files.

:func:`simulate` does it all. Background is QCD dijets, signal is Z' → X Y with free masses;
both pass the selection of the LHC Olympics. Needs the extra ``overdensity[simulation]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door

if TYPE_CHECKING:
    from .production import ProcessReport, SimulationReport, simulate
    from .settings import DetectorSettings, GeneratorSettings, Selection, ZprimeMasses

__all__ = [
    "DetectorSettings",
    "GeneratorSettings",
    "ProcessReport",
    "Selection",
    "SimulationReport",
    "ZprimeMasses",
    "simulate",
]

__getattr__, __dir__ = lazy_door(__name__)
