"""From columns to one anomaly score per event.

A :class:`Sample` and a :class:`Window` go into a :class:`Method`; :func:`cross_fit` sees to it that
every event is scored by a model that never saw it.
"""

from __future__ import annotations

from .closure import Closure, closure
from .anode import Anode
from .cathode import Cathode
from .crossfit import cross_fit, score_fold, train_fold
from .cwola import CwolaTrees
from .discovery import SmallestSignificance, smallest_significance
from .folds import fold_of, training_folds
from .lacathode import LaCathode
from .method import Method, MethodInfo, load_method, make_method, methods
from .metrics import Performance, performance
from .networks import CwolaNetworks
from .sample import Sample
from .sculpting import MassSculpting, mass_sculpting
from .windows import Window, scan_edges, scan_windows

__all__ = [
    "Anode",
    "Cathode",
    "Closure",
    "CwolaNetworks",
    "CwolaTrees",
    "MassSculpting",
    "LaCathode",
    "Method",
    "MethodInfo",
    "Performance",
    "Sample",
    "SmallestSignificance",
    "Window",
    "closure",
    "cross_fit",
    "fold_of",
    "load_method",
    "make_method",
    "mass_sculpting",
    "methods",
    "performance",
    "scan_edges",
    "scan_windows",
    "score_fold",
    "smallest_significance",
    "train_fold",
    "training_folds",
]
