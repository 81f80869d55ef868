"""Masses and scores → background estimate, local and global p-values, pyhf workspaces.

`selection_levels` says which selections an event passes in a window; `hunt` takes masses and
levels to a `HuntResult`: sideband fits, local p-values, and a global p-value from
pseudo-experiments that repeat every fit. `count_patterns`, `merge_patterns` and `hunt_patterns`
do the same for events that stay where they are, partition by partition. `fit` is the smooth fit of
one spectrum, `fit_resonance` adds a peak, `best_workspace` turns a result into a pyhf workspace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door

if TYPE_CHECKING:
    from ..core.windows import log_edges
    from .p_values.local import local_p, z_of_p
    from .sculpting.fabricated import FabricatedExcess, fabricated_excess, refuse_fabricated
    from .sculpting.sculpting_result import Sculpting
    from .search.fit_start import choose_start
    from .search.hunt_result import Best, HuntResult, SelectionResult, WindowResult
    from .search.hunting import hunt, hunt_patterns
    from .search.trials import Trials
    from .selection.conformal import conformal_p
    from .selection.independence import Independence, independence_test
    from .selection.levels import selection_levels
    from .selection.patterns import Patterns, count_patterns, merge_patterns
    from .spectra.binning import (
        Spectrum,
        dijet_edges,
        spectrum_of,
        spectrum_of_histogram,
        subdivide,
    )
    from .spectra.fit_model import FitModel
    from .spectra.functions import (
        BackgroundFunction,
        background_functions,
        register_function,
        unregister_function,
    )
    from .spectra.model_choice import FunctionChoice, choose_function
    from .spectra.resonance import Resonance, fit_resonance
    from .spectra.spectrum import SpectrumFit, fit
    from .spectra.spurious import SpuriousSignal, spurious_signal
    from .workspaces.of_search import best_workspace, counting_workspace, shape_workspace

__all__ = [
    "BackgroundFunction",
    "Best",
    "FabricatedExcess",
    "FitModel",
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
    "choose_start",
    "conformal_p",
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

__getattr__, __dir__ = lazy_door(__name__)
