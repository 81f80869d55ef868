"""Masses and scores → background estimate, local and global p-values, pyhf workspaces.

`selection_levels` says which selections an event passes in a window; `hunt` takes masses and
levels to a `HuntResult`: sideband fits, local p-values, and a global p-value from
pseudo-experiments that repeat every fit. `count_patterns`, `merge_patterns` and `hunt_patterns`
do the same for events that stay where they are, partition by partition. `fit` is the smooth fit of
one spectrum, `fit_resonance` adds a peak, `best_workspace` turns a result into a pyhf workspace.
"""

from __future__ import annotations

from .binning import (
    Spectrum,
    dijet_edges,
    log_edges,
    spectrum_of,
    spectrum_of_histogram,
    subdivide,
)
from .conformal import conformal_p
from .contradiction import contradicted
from .functions import (
    BackgroundFunction,
    background_functions,
    register_function,
    unregister_function,
)
from .hunting import hunt, hunt_patterns
from .independence import Independence, independence_test
from .model_choice import FunctionChoice, choose_function
from .patterns import Patterns, count_patterns, merge_patterns
from .resonance import Resonance, fit_resonance
from .results import Best, HuntResult, SelectionResult, WindowResult
from .sculpting import FabricatedExcess, fabricated_excess, refuse_fabricated
from .sculpting_result import Sculpting
from .selection import selection_levels
from .significance import local_p, z_of_p
from .spectrum import SpectrumFit, fit
from .spurious import SpuriousSignal, spurious_signal
from .trials import Trials
from .workspace import best_workspace, counting_workspace, shape_workspace

__all__ = [
    "BackgroundFunction",
    "Best",
    "FabricatedExcess",
    "FunctionChoice",
    "HuntResult",
    "Independence",
    "Patterns",
    "Resonance",
    "Sculpting",
    "SelectionResult",
    "Spectrum",
    "SpectrumFit",
    "SpuriousSignal",
    "Trials",
    "WindowResult",
    "background_functions",
    "best_workspace",
    "choose_function",
    "conformal_p",
    "contradicted",
    "count_patterns",
    "counting_workspace",
    "dijet_edges",
    "fabricated_excess",
    "fit",
    "fit_resonance",
    "hunt",
    "hunt_patterns",
    "independence_test",
    "local_p",
    "log_edges",
    "merge_patterns",
    "refuse_fabricated",
    "register_function",
    "selection_levels",
    "shape_workspace",
    "spectrum_of",
    "spectrum_of_histogram",
    "spurious_signal",
    "subdivide",
    "unregister_function",
    "z_of_p",
]
