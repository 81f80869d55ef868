"""The classifier kind ``networks``: fully connected networks, all of an ensemble in one bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..hyper_checks import refuse_unusable
from ..training.bank_hyper import BankHyper
from .kinds import Classifier, ClassifierKind, EnsembleHyper, register_classifier

__all__ = ["NetworkHyper", "Networks"]


@dataclass(frozen=True)
class NetworkHyper(BankHyper):
    """Settings of networks; defaults of the CATHODE classifier (arXiv:2109.00546, §III B).

    Attributes
    ----------
    restarts : int
        Trainings a member, of which the best on its validation events is kept.
    batch : int
        Events in a batch.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    layers: int = 3
    width: int = 64
    dropout: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    decay: float = 0.0
    epochs: int = 100
    patience: int = 100
    activation: str = "relu"
    judge: str = "loss"
    average: int = 10
    restarts: int = 1
    batch: int = 128
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unusable("networks", self, restarts=self.restarts >= 1, batch=self.batch >= 1)


@register_classifier("networks")
class Networks(ClassifierKind):
    """Fully connected networks, trained as one bank."""

    requires: ClassVar[tuple[str, ...]] = ("torch",)
    bags_features: ClassVar[bool] = True
    Hyper: ClassVar[type[NetworkHyper]] = NetworkHyper

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> Classifier:
        """Train the networks; see :meth:`ClassifierKind.fit`."""
        from .network_ensemble import fit_networks  # noqa: PLC0415 - imports torch

        return fit_networks(x, y, weight, inner, hyper=hyper, seed=seed)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> Classifier:
        """Return the ensemble that these arrays are of."""
        from .network_ensemble import NetworkEnsemble  # noqa: PLC0415 - imports torch

        return NetworkEnsemble.from_arrays(arrays, device=hyper.settings.device)
