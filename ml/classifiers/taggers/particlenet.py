"""The classifier kind ``particlenet``: edge convolutions on the constituents of jets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ...hyper_checks import refuse_unusable
from ...training.training_hyper import TrainingHyper
from ..kinds import register_classifier
from .tagger_kind import TaggerKind

if TYPE_CHECKING:
    from ...networks.point_clouds import ParticleNetwork

__all__ = ["ParticleNet", "ParticleNetHyper"]


@dataclass(frozen=True)
class ParticleNetHyper:
    """Hyperparameters of ParticleNet; defaults of arXiv:1902.08570, section III.C.

    Attributes
    ----------
    edges : tuple of int
        Width of each edge convolution, of three layers each.
    neighbors : int
        Nearest neighbors of each particle.
    dense : int
        Width of the dense layer after the mean over particles.
    dropout : float
        After it.
    particles : int
        Constituents of a jet that are read: the first.
    training : TrainingHyper
        How they are trained; the best epoch on the validation events is kept.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> ParticleNetHyper().edges, ParticleNetHyper().neighbors
    ((64, 128, 256), 16)
    """

    edges: tuple[int, ...] = (64, 128, 256)
    neighbors: int = 16
    dense: int = 256
    dropout: float = 0.1
    particles: int = 128
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=20, batch=384, learning_rate=3e-3, weight_decay=1e-4, schedule="cosine"
        )
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "particlenet",
            self,
            edges=bool(self.edges) and all(each >= 1 for each in self.edges),
            neighbors=self.neighbors >= 1,
            dense=self.dense >= 1,
            dropout=0 <= self.dropout < 1,
            particles=self.particles >= 1,
        )

    @property
    def score_rows(self) -> int:
        """Return how many events are scored at a time: some 2¹⁹ edges."""
        return max(1, 2**19 // (self.particles * self.neighbors))

    def network(self, features: int, jets: int) -> ParticleNetwork:
        """Return an untrained network for so many numbers of the event and jets."""
        from ...networks.point_clouds import ParticleNetwork  # noqa: PLC0415 - imports torch

        return ParticleNetwork(
            features,
            jets,
            edges=self.edges,
            neighbors=self.neighbors,
            dense=self.dense,
            dropout=self.dropout,
        )


@register_classifier("particlenet")
class ParticleNet(TaggerKind):
    """ParticleNet: edge convolutions on nearest neighbors among the constituents."""

    Hyper: ClassVar[type[ParticleNetHyper]] = ParticleNetHyper
