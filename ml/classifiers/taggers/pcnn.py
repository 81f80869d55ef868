"""The classifier kind ``pcnn``: residual convolutions along the constituents of jets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ...hyper_checks import refuse_unusable
from ...training.training_hyper import TrainingHyper
from ..kinds import register_classifier
from .tagger_kind import TaggerKind

if TYPE_CHECKING:
    from ...networks.ordered_particles import ParticleConvolutions

__all__ = ["PCnn", "PCnnHyper"]


@dataclass(frozen=True)
class PCnnHyper:
    """Hyperparameters of P-CNN; sizes of arXiv:1902.08570, section IV.B, and weaver-core.

    Attributes
    ----------
    first : int
        Width of the first convolution.
    stages : tuple of int
        Width of each stage of two residual units.
    dense : int
        Width of the dense layer after the mean along the sequence.
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
    >>> PCnnHyper().first, PCnnHyper().stages
    (32, (64, 64, 128))
    """

    first: int = 32
    stages: tuple[int, ...] = (64, 64, 128)
    dense: int = 512
    dropout: float = 0.5
    particles: int = 128
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=30, batch=1000, patience=8)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "pcnn",
            self,
            first=self.first >= 1,
            stages=bool(self.stages) and all(each >= 1 for each in self.stages),
            dense=self.dense >= 1,
            dropout=0 <= self.dropout < 1,
            particles=self.particles >= 1,
        )

    @property
    def score_rows(self) -> int:
        """Return how many events are scored at a time."""
        return 4096

    def network(self, features: int, jets: int) -> ParticleConvolutions:
        """Return an untrained network for so many numbers of the event and jets."""
        from ...networks.ordered_particles import ParticleConvolutions  # noqa: PLC0415 - torch

        return ParticleConvolutions(
            features,
            jets,
            first=self.first,
            stages=self.stages,
            dense=self.dense,
            dropout=self.dropout,
        )


@register_classifier("pcnn")
class PCnn(TaggerKind):
    """P-CNN: residual convolutions along the constituents in order of pT."""

    Hyper: ClassVar[type[PCnnHyper]] = PCnnHyper
