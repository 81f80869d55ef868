"""The classifier kind ``pfn``: particle flow networks on the constituents of jets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..training.watching import is_watched
from .kinds import Classifier, ClassifierKind, EnsembleHyper, Inputs, register_classifier
from .members import note_reliability
from .particle_flow_hyper import ParticleFlowHyper

__all__ = ["ParticleFlow"]


@register_classifier("pfn")
class ParticleFlow(ClassifierKind):
    """Particle flow networks on constituents, beside numbers of the event where there are any."""

    needs: ClassVar[tuple[Literal["features", "constituents", "images"], ...]] = ("constituents",)
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    Hyper: ClassVar[type[ParticleFlowHyper]] = ParticleFlowHyper

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
        from .particle_flow_ensemble import fit_particle_flow, together  # noqa: PLC0415 - torch

        fitted = fit_particle_flow(
            x, y, weight, inner, hyper=hyper.settings, members=hyper.members, seed=seed
        )
        if is_watched():
            held_out = [fitted[i].score(x[inner == i]) for i in range(hyper.inner_folds)]
            note_reliability(held_out, y, weight, inner)
        return together(fitted)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> Classifier:
        """Return the ensemble that these arrays are of."""
        from .particle_flow_ensemble import ParticleFlowEnsemble  # noqa: PLC0415 - imports torch

        return ParticleFlowEnsemble.from_arrays(arrays, hyper=hyper.settings)
