"""From columns to one anomaly score per event.

A :class:`Sample` and a :class:`Window` go into a :class:`Method`; :func:`cross_fit` sees to it that
every event is scored by a model that never saw it.
"""

from __future__ import annotations

from .crossfit import cross_fit, score_fold, train_fold
from .cwola import CwolaTrees
from .folds import fold_of, training_folds
from .gis import Gis
from .method import Method, MethodInfo, load_method, make_method, methods
from .metrics import Performance, performance
from .networks import CwolaNetworks
from .sample import Sample
from .windows import Window, scan_edges, scan_windows

__all__ = [
    "CwolaNetworks",
    "CwolaTrees",
    "Gis",
    "Method",
    "MethodInfo",
    "Performance",
    "Sample",
    "Window",
    "cross_fit",
    "fold_of",
    "load_method",
    "make_method",
    "methods",
    "performance",
    "scan_edges",
    "scan_windows",
    "score_fold",
    "train_fold",
    "training_folds",
]
