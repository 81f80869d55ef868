"""Mahalanobis distance: the floor that any detector of outliers on columns has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....core import InputError
from ...method import register_method
from ...sample import Sample
from .reconstruction import Reconstruction, ReconstructionHyper

__all__ = ["Mahalanobis", "MahalanobisHyper"]

_FLAT = 1e-6  # of the largest variance: a direction with less does not spread at all


@dataclass(frozen=True)
class MahalanobisHyper(ReconstructionHyper):
    """Hyperparameters of the Mahalanobis distance.

    Attributes
    ----------
    per_jet : bool
        The distance of each jet by itself, combined as ``combine`` says, and not that of all
        features of the event together.
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`), the lighter
        first; what is in order spreads less, but is not normal.
    """

    per_jet: bool = False
    sort: bool = False


@register_method("mahalanobis")
class Mahalanobis(Reconstruction[MahalanobisHyper, NDArray[np.float64]]):
    r"""Squared Mahalanobis distance from the mean of all events; outliers, the floor of any other.

    .. math:: d^2(x) = \frac{1}{d} (x - \mu)^T \Sigma^{-1} (x - \mu)

    with the mean and the covariance of the training events, divided by the number d of features: 1
    in the mean. It is minus twice the logarithm of the density, if that were normal.
    """

    source: ClassVar[str] = (
        "P. C. Mahalanobis, Proc. Natl. Inst. Sci. India 2 (1936) 49; as the floor beside "
        "autoencoders on columns"
    )
    Hyper: ClassVar[type[MahalanobisHyper]] = MahalanobisHyper

    def _jets(self, data: Sample) -> dict[str, NDArray[np.float32]]:
        if self.hyper.per_jet:
            return super()._jets(data)
        return {"event": self._standardised(data)}

    def _learn(
        self, x: NDArray[np.float32], *, weight: NDArray[np.float64] | None, seed: int
    ) -> NDArray[np.float64]:
        """Return axes along which the events have unit variance, and the mean: (n + 1, n)."""
        del seed  # nothing is random
        variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(x, rowvar=False, aweights=weight)))
        if variances[0] < _FLAT * variances[-1]:
            columns = ", ".join(self._names)
            msg = (
                f"method 'mahalanobis': some of the features {columns} are a linear combination of "
                "others; leave one of them out"
            )
            raise InputError(msg)
        mean = np.average(x, axis=0, weights=weight)
        learnt: NDArray[np.float64] = np.vstack([axes / np.sqrt(variances), mean]).astype(
            np.float64
        )
        return learnt

    def _errors(self, model: NDArray[np.float64], x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.square((x - model[-1]) @ model[:-1]).mean(axis=1).astype(np.float32)

    def _model_arrays(self, model: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        return {"axes": model}

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        return arrays["axes"]
