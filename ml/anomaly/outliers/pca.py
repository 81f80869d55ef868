"""Principal components of the features: the linear outlier detector beside the autoencoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError
from ...method import register_method
from .reconstruction import Reconstruction, ReconstructionHyper

__all__ = ["Pca", "PcaHyper"]


@dataclass(frozen=True)
class PcaHyper(ReconstructionHyper):
    """Hyperparameters of the principal components.

    Attributes
    ----------
    components : int
        Leading components kept of each jet. Not published; 1 is the bottleneck of the autoencoders.
    """

    components: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(components=self.components >= 1)


@register_method("pca")
class Pca(Reconstruction[PcaHyper, NDArray[np.float64]]):
    """What the leading principal components of each jet's features leave over; outliers, linear.

    The best that a linear autoencoder with as many nodes in its bottleneck can do (P. Baldi,
    K. Hornik, doi:10.1016/0893-6080(89)90014-2), without training.
    """

    source: ClassVar[str] = (
        "PCA as outlier detector, LHC Olympics 2020 (arXiv:2101.08320), section 6.1; per jet, "
        "as the autoencoders of section 4.2"
    )
    Hyper: ClassVar[type[PcaHyper]] = PcaHyper

    def _learn(
        self, x: NDArray[np.float32], *, weight: NDArray[np.float64] | None, seed: int
    ) -> NDArray[np.float64]:
        """Return the leading components, shape (n_components, n_features)."""
        del seed  # nothing is random
        if self.hyper.components >= x.shape[1]:
            msg = (
                f"method 'pca': {self.hyper.components} components of {x.shape[1]} features a jet "
                "leave nothing over to score; use fewer components or more features"
            )
            raise ConfigError(msg)
        covariance = np.cov(x, rowvar=False, aweights=weight)
        return np.linalg.eigh(covariance)[1].T[::-1][: self.hyper.components]

    def _errors(self, model: NDArray[np.float64], x: NDArray[np.float32]) -> NDArray[np.float32]:
        left = x - (x @ model.T) @ model
        return np.square(left).mean(axis=1).astype(np.float32)

    def _model_arrays(self, model: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        return {"components": model}

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        return arrays["components"]
