"""The classifier kind ``lstm``: recurrent networks on the sequence of the jets of an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..hyper_checks import refuse_unusable
from ..training.training_hyper import TrainingHyper
from ..training.watching import is_watched
from .kinds import Classifier, ClassifierKind, EnsembleHyper, register_classifier
from .members import note_reliability

__all__ = ["Lstm", "LstmHyper"]


@dataclass(frozen=True)
class LstmHyper:
    """Hyperparameters; defaults of the LHC Olympics (arXiv:2101.08320, section 5.4).

    Attributes
    ----------
    memory : tuple of two int
        Widths of the layers of long short-term memory.
    dense : tuple of int
        Widths of the dense layers.
    relative : bool
        pT and mass of a jet over the pT of the first. The published network reads them in GeV, from
        which the mass of the event follows: for a classifier that is told the truth in the signal
        region, and for no other.
    training : TrainingHyper
        How they are trained; the best epoch on the validation events is kept.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> LstmHyper().memory, LstmHyper().dense
    ((64, 128), (256, 256))
    """

    memory: tuple[int, ...] = (64, 128)
    dense: tuple[int, ...] = (256, 256)
    relative: bool = True
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=30, batch=256, patience=8)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "lstm",
            self,
            memory=len(self.memory) == 2 and all(each >= 1 for each in self.memory),
            dense=bool(self.dense) and all(each >= 1 for each in self.dense),
        )


@register_classifier("lstm")
class Lstm(ClassifierKind):
    """Long short-term memory on jets: columns are pT, eta, phi and mass, jet by jet."""

    requires: ClassVar[tuple[str, ...]] = ("torch",)
    Hyper: ClassVar[type[LstmHyper]] = LstmHyper

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
        from .lstm_ensemble import LstmEnsemble, fit_lstm  # noqa: PLC0415 - imports torch

        fitted = fit_lstm(
            x, y, weight, inner, hyper=hyper.settings, members=hyper.members, seed=seed
        )
        if is_watched():
            held_out = [fitted[i].score(x[inner == i]) for i in range(hyper.inner_folds)]
            note_reliability(held_out, y, weight, inner)
        networks = tuple(network for each in fitted.values() for network in each.networks)
        return LstmEnsemble(networks, hyper.settings)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> Classifier:
        """Return the ensemble that these arrays are of."""
        from .lstm_ensemble import LstmEnsemble  # noqa: PLC0415 - imports torch

        return LstmEnsemble.from_arrays(arrays, hyper=hyper.settings)
