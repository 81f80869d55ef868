"""What a comparison of data with simulation finds, in each region and in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...core import Record

__all__ = ["Comparison", "FeatureDifference", "RegionComparison"]


@dataclass(frozen=True)
class FeatureDifference(Record):
    """How far one feature's distributions are apart.

    Attributes
    ----------
    name : str
        The feature.
    distance : float
        Largest distance of the cumulative distributions (Kolmogorov-Smirnov), simulation weighted.

    Examples
    --------
    >>> FeatureDifference("met", 0.12).to_dict()
    {'name': 'met', 'distance': 0.12}
    """

    name: str
    distance: float


@dataclass(frozen=True)
class RegionComparison(Record):
    """Data and simulation in one region.

    Attributes
    ----------
    name : str
        The region; ``all`` for all of them together.
    n_data, n_simulation : int
        Events.
    expected : float
        Sum of the weights of the simulation. Yields are told, and not compared.
    effective : float
        Effective number of simulated events, (Σw)² / Σw².
    auc : float
        Area under the ROC curve, simulation weighted, mean over the folds that were scored.
    p_local, z_local : float
        Of this region alone.
    features : tuple of FeatureDifference
        The most different one first.

    Examples
    --------
    >>> found = RegionComparison("2", 90, 400, 88.5, 310.0, 0.54, 0.1, 1.28, ())
    >>> found.n_data / found.expected < 1.02
    True
    """

    name: str
    n_data: int
    n_simulation: int
    expected: float
    effective: float
    auc: float
    p_local: float
    z_local: float
    features: tuple[FeatureDifference, ...]


@dataclass(frozen=True)
class Comparison(Record):
    """Data and simulation in all regions.

    Attributes
    ----------
    regions : tuple of RegionComparison
        In the order of their numbers; where there are several, all together come last.
    p_global, z_global : float
        Of the smallest local p-value, among as many regions.
    is_limit : bool
        In the best region no permutation differs as much: the p-values may be smaller still.
    permutations, folds, seed : int
        As they were asked for.
    flags : tuple of str
        What a reader must know: regions that were left out.

    Examples
    --------
    >>> found = Comparison((), 0.2, 0.84, is_limit=False, permutations=99, folds=5, seed=1, flags=())
    >>> Comparison.from_dict(found.to_dict()) == found
    True
    """

    made_by: ClassVar[str] = "'overdensity validate compare'"

    regions: tuple[RegionComparison, ...]
    p_global: float
    z_global: float
    is_limit: bool
    permutations: int
    folds: int
    seed: int
    flags: tuple[str, ...]
