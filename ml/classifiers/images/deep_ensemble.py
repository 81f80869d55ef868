"""The classifier kind ``deep_ensemble``: boosted trees that are told what a network says of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...hyper_checks import refuse_unusable
from ...training.training_hyper import TrainingHyper
from ..kinds import ClassifierKind, EnsembleHyper, Inputs, Read, register_classifier
from ..trees import BoostingHyper

if TYPE_CHECKING:
    from ...networks.images.residual import ResidualNetwork
    from .network_and_trees import NetworkAndTrees

__all__ = ["DeepEnsemble", "DeepEnsembleHyper"]


@dataclass(frozen=True)
class DeepEnsembleHyper:
    """Hyperparameters; defaults of the LHC Olympics (arXiv:2101.08320, section 5.1) where it has any.

    Attributes
    ----------
    widths, blocks : tuple of int
        Filters and number of blocks of each stage of the network: ResNet-34.
    dense : int
        Nodes of the dense layer of its head.
    dropout : float
        Before it.
    mixup : float
        Events are mixed in pairs with shares from a Beta distribution of this parameter; 0 mixes none.
    smoothing : float
        Labels are smoothed by this much.
    training : TrainingHyper
        Of the networks. The last epoch is kept, so that no event decides on a network that is then
        asked about it.
    trees : BoostingHyper
        The trees.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> DeepEnsembleHyper().blocks, DeepEnsembleHyper().trees.leaves
    ((3, 4, 6, 3), 8)
    """

    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    dense: int = 512
    dropout: float = 0.5
    mixup: float = 0.45
    smoothing: float = 0.1
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=25, batch=64, schedule="one_cycle", keep="last"
        )
    )
    trees: BoostingHyper = field(
        default_factory=lambda: BoostingHyper(iterations=700, leaves=8, patience=20)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "deep_ensemble",
            self,
            widths=bool(self.widths) and all(each >= 1 for each in self.widths),
            blocks=len(self.blocks) == len(self.widths) and all(each >= 1 for each in self.blocks),
            dense=self.dense >= 1,
            dropout=0 <= self.dropout < 1,
            mixup=self.mixup >= 0,
            smoothing=0 <= self.smoothing < 1,
        )

    def network(self, images: int) -> ResidualNetwork:
        """Return an untrained network for so many images of an event."""
        from ...networks.images.residual import ResidualNetwork  # noqa: PLC0415 - imports torch

        return ResidualNetwork(
            images, widths=self.widths, blocks=self.blocks, dense=self.dense, dropout=self.dropout
        )


@register_classifier("deep_ensemble")
class DeepEnsemble(ClassifierKind):
    """Residual networks on images, one an inner fold; their log-odds are a column of the trees.

    What the trees learn of an event is said by the network that has not seen it.
    """

    needs: ClassVar[tuple[Read, ...]] = (
        "features",
        "images",
    )
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    bags_features: ClassVar[bool] = True
    Hyper: ClassVar[type[DeepEnsembleHyper]] = DeepEnsembleHyper

    def fit(
        self,
        x: Inputs,
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> NetworkAndTrees:
        """Train the networks, then the trees; see :meth:`ClassifierKind.fit`."""
        from .network_and_trees import fit_network_and_trees  # noqa: PLC0415 - imports torch

        return fit_network_and_trees(x, y, weight, inner, hyper=hyper, seed=seed)

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper
    ) -> NetworkAndTrees:
        """Return the ensemble that these arrays are of."""
        from .network_and_trees import NetworkAndTrees  # noqa: PLC0415 - imports torch

        return NetworkAndTrees.from_arrays(arrays, hyper=hyper.settings)
