"""From columns to one anomaly score per event.

A :class:`Sample` and a :class:`Window` go into a :class:`Method`; :func:`cross_fit` sees to it that
every event is scored by a model that never saw it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door
from .closure import Closure, closure
from .reliability import Reliability, reliability

if TYPE_CHECKING:
    from .anode import Anode
    from .autoencoder import Autoencoder
    from .cathode import Cathode
    from .crossfit import cross_fit, score_fold, train_fold
    from .cwola import CwolaTrees
    from .discovery import SmallestSignificance, smallest_significance
    from .folds import fold_of, training_folds
    from .gis import Gis
    from .idealised import Idealised
    from .lacathode import LaCathode
    from .method import Method, MethodInfo, load_method, make_method, methods
    from .metrics import Performance, performance
    from .mflow import ManifoldFlow
    from .networks import CwolaNetworks
    from .parametrised import Parametrised
    from .pca import Pca
    from .sa_cwola import SaCwola, SaCwolaWeights
    from .salad import Salad, predict_background
    from .sample import Sample
    from .sculpting import MassSculpting, mass_sculpting
    from .supervised import Supervised
    from .watching import LossCurve, Watch, watch
    from .windows import Window, scan_edges, scan_windows

__all__ = [
    "Anode",
    "Autoencoder",
    "Cathode",
    "Closure",
    "CwolaNetworks",
    "CwolaTrees",
    "Gis",
    "Idealised",
    "LaCathode",
    "LossCurve",
    "ManifoldFlow",
    "MassSculpting",
    "Method",
    "MethodInfo",
    "Parametrised",
    "Pca",
    "Performance",
    "Reliability",
    "SaCwola",
    "SaCwolaWeights",
    "Salad",
    "Sample",
    "SmallestSignificance",
    "Supervised",
    "Watch",
    "Window",
    "closure",
    "cross_fit",
    "fold_of",
    "load_method",
    "make_method",
    "mass_sculpting",
    "methods",
    "performance",
    "predict_background",
    "reliability",
    "scan_edges",
    "scan_windows",
    "score_fold",
    "smallest_significance",
    "train_fold",
    "training_folds",
    "watch",
]

__getattr__, __dir__ = lazy_door(__name__)
