"""Simulation: Pythia 8 and a parametrised CMS detector write LHC Olympics event files.

:func:`simulate_recipe` makes a file of what a recipe says; :func:`simulate` of QCD dijets and
Z' → X Y with free masses. Needs the extra ``overdensity[simulation]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door

if TYPE_CHECKING:
    from .processes.by_settings import BySettings
    from .processes.gluons import GluonR, GravitonGG
    from .processes.kind import DaughterFacts, ProcessKind, register_kind
    from .processes.qcd import Qcd
    from .processes.tops import SingleTop, Tops, WJets, WprimeTB, ZprimeTT
    from .processes.vector_like_leptons import VectorLikeLeptons
    from .processes.zprime_xy import ZprimeXY
    from .production import ProcessReport, SimulationReport, simulate, simulate_recipe
    from .recipes.reading import presets, read_recipe, recipe_of
    from .recipes.recipe import Process, ProcessFacts, Recipe
    from .settings import DetectorSettings, GeneratorSettings, Selection, ZprimeMasses

__all__ = [
    "BySettings",
    "DaughterFacts",
    "DetectorSettings",
    "GeneratorSettings",
    "GluonR",
    "GravitonGG",
    "Process",
    "ProcessFacts",
    "ProcessKind",
    "ProcessReport",
    "Qcd",
    "Recipe",
    "Selection",
    "SimulationReport",
    "SingleTop",
    "Tops",
    "VectorLikeLeptons",
    "WJets",
    "WprimeTB",
    "ZprimeMasses",
    "ZprimeTT",
    "ZprimeXY",
    "presets",
    "read_recipe",
    "recipe_of",
    "register_kind",
    "simulate",
    "simulate_recipe",
]

__getattr__, __dir__ = lazy_door(__name__)
