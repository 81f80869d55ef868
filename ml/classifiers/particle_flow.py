"""The classifier kind ``pfn``: particle flow networks on the constituents of jets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError
from ..hyperparameters import refuse_unusable
from ..training.training_hyper import TrainingHyper
from .ensemble import Classifier, ClassifierHyper, ClassifierKind, Inputs, register_classifier
from .members import note_reliability

__all__ = ["ParticleFlow", "ParticleFlowHyper"]


@dataclass(frozen=True)
class ParticleFlowHyper:
    """Hyperparameters of a particle flow network (arXiv:1810.05165).

    Attributes
    ----------
    phi, f : tuple of int
        Widths of the layers of the particles, and of those of the event.
    particles : int
        Constituents of a jet that are read: the first.
    training : TrainingHyper
        How they are trained; the best epoch on the validation events is kept.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    """

    phi: tuple[int, ...] = (128, 128, 128)
    f: tuple[int, ...] = (128, 128, 128)
    particles: int = 128
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=50, batch=500, patience=8)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("phi", "f"):
            widths = getattr(self, name)
            if not widths or not all(isinstance(each, int) and each >= 1 for each in widths):
                msg = f"pfn: {name} = {widths!r} cannot be used; give widths, such as [128, 128]"
                raise ConfigError(msg)
        refuse_unusable("pfn", self, particles=self.particles >= 1)


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
        hyper: ClassifierHyper,
        seed: int,
    ) -> Classifier:
        """Train the networks; see :meth:`ClassifierKind.fit`."""
        from .particle_flow_ensemble import fit_particle_flow, together  # noqa: PLC0415 - torch

        fitted = fit_particle_flow(
            x, y, weight, inner, hyper=hyper.settings, members=hyper.members, seed=seed
        )
        note_reliability(fitted.__getitem__, x, y, weight, inner)
        return together(fitted)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: ClassifierHyper) -> Classifier:
        """Return the ensemble that these arrays are of."""
        from .particle_flow_ensemble import ParticleFlowEnsemble  # noqa: PLC0415 - imports torch

        return ParticleFlowEnsemble.from_arrays(arrays, hyper=hyper.settings)
