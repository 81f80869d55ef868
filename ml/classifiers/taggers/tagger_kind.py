"""What kinds of classifiers on the constituents of jets share: how they are trained and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...training.watching import is_watched
from ..kinds import Classifier, ClassifierKind, EnsembleHyper, Inputs
from ..members import note_reliability

__all__ = ["TaggerKind"]


class TaggerKind(ClassifierKind):
    """Networks on constituents, beside numbers of the event where there are any.

    A kind of its own names the hyperparameters, which make an untrained network
    (:class:`~overdensity.ml.classifiers.taggers.tagger_ensemble.TaggerHyper`).
    """

    needs: ClassVar[tuple[Literal["features", "constituents", "images"], ...]] = ("constituents",)
    requires: ClassVar[tuple[str, ...]] = ("torch",)

    def fit(
        self,
        x: Inputs,
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> Classifier:
        """Train the networks; see :meth:`ClassifierKind.fit`."""
        from .tagger_ensemble import fit_taggers, together  # noqa: PLC0415 - imports torch

        fitted = fit_taggers(
            x, y, weight, inner, hyper=hyper.settings, members=hyper.members, seed=seed
        )
        if is_watched():
            held_out = [fitted[i].score(x[inner == i]) for i in range(hyper.inner_folds)]
            note_reliability(held_out, y, weight, inner)
        return together(fitted)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> Classifier:
        """Return the ensemble that these arrays are of."""
        from .tagger_ensemble import TaggerEnsemble  # noqa: PLC0415 - imports torch

        return TaggerEnsemble.from_arrays(arrays, hyper=hyper.settings)
