"""The classifier kind ``lstm``: recurrent networks on the sequence of the jets of an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..training.watching import is_watched
from .kinds import Classifier, ClassifierKind, EnsembleHyper, register_classifier
from .lstm_hyper import LstmHyper
from .members import note_reliability

__all__ = ["Lstm"]


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
