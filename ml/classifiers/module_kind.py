"""What kinds of classifiers share whose members are torch modules of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..training.watching import is_watched
from .kinds import Classifier, ClassifierKind, EnsembleHyper
from .members import note_reliability

__all__ = ["ModuleKind"]


class ModuleKind(ClassifierKind):
    """Networks of a shape of their own, some stopped by each inner fold."""

    requires: ClassVar[tuple[str, ...]] = ("torch",)

    @abstractmethod
    def _parts(self) -> tuple[Any, Callable[..., Mapping[int, Any]]]:
        """Import torch; return the :class:`ModuleEnsemble` of this kind and what trains one a fold."""

    def fit(
        self,
        x: Any,
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> Classifier:
        """Train the networks; see :meth:`ClassifierKind.fit`."""
        from .module_ensemble import together  # noqa: PLC0415 - imports torch

        _, trained = self._parts()
        fitted = trained(
            x, y, weight, inner, hyper=hyper.settings, members=hyper.members, seed=seed
        )
        if is_watched():
            held_out = {
                fold: fitted[fold].score(x[inner == fold]) for fold in np.unique(inner).tolist()
            }
            note_reliability(held_out, y, weight, inner)
        return together(fitted)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> Classifier:
        """Return the ensemble that these arrays are of."""
        ensemble, _ = self._parts()
        return ensemble.from_arrays(arrays, hyper=hyper.settings)
