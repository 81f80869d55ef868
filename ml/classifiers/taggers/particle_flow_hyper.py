"""Hyperparameters of particle flow networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ....core import ConfigError
from ...hyper_checks import refuse_unusable
from ...training.training_hyper import TrainingHyper

if TYPE_CHECKING:
    from ...networks.sets import ParticleFlowNetwork

__all__ = ["ParticleFlowHyper"]


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
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
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

    @property
    def score_rows(self) -> int:
        """Return how many events are scored at a time."""
        return 4096

    def network(self, features: int, jets: int) -> ParticleFlowNetwork:
        """Return an untrained network for so many numbers of the event and jets."""
        from ...networks.sets import ParticleFlowNetwork  # noqa: PLC0415 - imports torch

        return ParticleFlowNetwork(features, jets, phi=self.phi, f=self.f)
