"""The classifier kind ``part``: Particle Transformers on the constituents of jets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ...hyper_checks import refuse_unusable
from ...training.training_hyper import TrainingHyper
from ..kinds import register_classifier
from .tagger_kind import TaggerKind

if TYPE_CHECKING:
    from ...networks.attention import ParticleTransformerNetwork

__all__ = ["ParticleTransformer", "ParticleTransformerHyper"]


@dataclass(frozen=True)
class ParticleTransformerHyper:
    """Hyperparameters of a Particle Transformer; sizes of arXiv:2202.03772, section 5.

    Attributes
    ----------
    embedding, pairs : tuple of int
        Widths of the layers that embed a particle, and a pair of them.
    heads : int
        Of each attention; they divide the last width of ``embedding``.
    layers, class_layers : int
        Blocks of attention among particles, and of the class token to them.
    dropout : float
        In the blocks among particles.
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
    >>> ParticleTransformerHyper().embedding, ParticleTransformerHyper().pairs
    ((128, 512, 128), (64, 64, 64))
    """

    embedding: tuple[int, ...] = (128, 512, 128)
    pairs: tuple[int, ...] = (64, 64, 64)
    heads: int = 8
    layers: int = 8
    class_layers: int = 2
    dropout: float = 0.1
    particles: int = 128
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=20, batch=512, learning_rate=1e-3, schedule="cosine", clip=1.0
        )
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "part",
            self,
            embedding=bool(self.embedding) and all(each >= 1 for each in self.embedding),
            pairs=bool(self.pairs) and all(each >= 1 for each in self.pairs),
            heads=self.heads >= 1 and (not self.embedding or self.embedding[-1] % self.heads == 0),
            layers=self.layers >= 1,
            class_layers=self.class_layers >= 1,
            dropout=0 <= self.dropout < 1,
            particles=self.particles >= 1,
        )

    @property
    def score_rows(self) -> int:
        """Return how many events are scored at a time: some two million pairs."""
        return max(1, 2**21 // self.particles**2)

    def network(self, features: int, jets: int) -> ParticleTransformerNetwork:
        """Return an untrained network for so many numbers of the event and jets."""
        from ...networks.attention import ParticleTransformerNetwork  # noqa: PLC0415 - torch

        return ParticleTransformerNetwork(
            features,
            jets,
            embedding=self.embedding,
            pairs=self.pairs,
            heads=self.heads,
            layers=self.layers,
            class_layers=self.class_layers,
            dropout=self.dropout,
        )


@register_classifier("part")
class ParticleTransformer(TaggerKind):
    """Particle Transformer: attention among the constituents, biased by pair features."""

    Hyper: ClassVar[type[ParticleTransformerHyper]] = ParticleTransformerHyper
