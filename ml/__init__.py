"""From columns to one anomaly score per event.

A :class:`Sample` and a :class:`Window` go into a :class:`Method`; :func:`cross_fit` makes sure that
every event is scored by a model that never saw it. Methods are made by name (:func:`make_method`);
:func:`methods` lists them, and :func:`check_method` checks a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door

if TYPE_CHECKING:
    from ..core.windows import Window, scan_edges, scan_windows
    from .blocks.constituents import Constituents
    from .blocks.images import Images
    from .classifiers.ensemble import ClassifierHyper
    from .classifiers.kinds import ClassifierKind, register_classifier
    from .contract import ContractError, check_method
    from .crossfit import cross_fit, fit_guarded, score_fold, train_fold
    from .evaluation.comparison import compare
    from .evaluation.comparison_result import Comparison, FeatureDifference, RegionComparison
    from .evaluation.discovery import SmallestSignificance, smallest_significance
    from .evaluation.generated import Closure, closure
    from .evaluation.mass_dependence import MassSculpting, mass_sculpting
    from .evaluation.metrics import Performance, performance
    from .folds import Folding, fold_of, training_folds
    from .known_methods import MethodInfo, load_method, make_method, method_class, methods
    from .method import Method, register_method
    from .sample import Sample
    from .sample_stream import SampleStream
    from .streams.online_flow import OnlineFlow
    from .streams.online_hyper import OnlineHyper
    from .streams.stream_summary import StreamSummary
    from .training.calibration_of_scores import Reliability, reliability
    from .training.watching import LossCurve, Watch, watch

__all__ = [
    "ClassifierHyper",
    "ClassifierKind",
    "Closure",
    "Comparison",
    "Constituents",
    "ContractError",
    "FeatureDifference",
    "Folding",
    "Images",
    "LossCurve",
    "MassSculpting",
    "Method",
    "MethodInfo",
    "OnlineFlow",
    "OnlineHyper",
    "Performance",
    "RegionComparison",
    "Reliability",
    "Sample",
    "SampleStream",
    "SmallestSignificance",
    "StreamSummary",
    "Watch",
    "Window",
    "check_method",
    "closure",
    "compare",
    "cross_fit",
    "fit_guarded",
    "fold_of",
    "load_method",
    "make_method",
    "mass_sculpting",
    "method_class",
    "methods",
    "performance",
    "register_classifier",
    "register_method",
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
