"""From columns to one anomaly score per event.

A :class:`Sample` and a :class:`Window` go into a :class:`Method`; :func:`cross_fit` sees to it that
every event is scored by a model that never saw it.
"""

from __future__ import annotations

from ..core.windows import Window, scan_edges, scan_windows
from .anomaly.densities.anode import Anode
from .anomaly.densities.cathode import Cathode
from .anomaly.densities.gis import Gis
from .anomaly.densities.lacathode import LaCathode
from .anomaly.outliers.autoencoder import Autoencoder
from .anomaly.outliers.mflow import ManifoldFlow
from .anomaly.outliers.pca import Pca
from .anomaly.references.idealised import Idealised
from .anomaly.references.parametrised import Parametrised
from .anomaly.references.supervised import Supervised
from .anomaly.weak_supervision.cwola import CwolaTrees
from .anomaly.weak_supervision.cwola_networks import CwolaNetworks
from .anomaly.weak_supervision.sa_cwola import SaCwola, SaCwolaWeights
from .anomaly.weak_supervision.salad import Salad, predict_background
from .crossfit import cross_fit, score_fold, train_fold
from .evaluation.discovery import SmallestSignificance, smallest_significance
from .evaluation.generated import Closure, closure
from .evaluation.mass_dependence import MassSculpting, mass_sculpting
from .evaluation.metrics import Performance, performance
from .folds import fold_of, training_folds
from .method import Method, MethodInfo, load_method, make_method, methods
from .sample import Sample
from .training.calibration_of_scores import Reliability, reliability
from .training.watching import LossCurve, Watch, watch

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
