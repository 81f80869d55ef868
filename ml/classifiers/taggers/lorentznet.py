"""The classifier kind ``lorentznet``: messages among four-momenta, of Lorentz invariants alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ...hyper_checks import refuse_unusable
from ...training.training_hyper import TrainingHyper
from ..kinds import register_classifier
from .tagger_kind import TaggerKind

if TYPE_CHECKING:
    from ...networks.lorentz import LorentzNetwork

__all__ = ["LorentzNet", "LorentzNetHyper"]


@dataclass(frozen=True)
class LorentzNetHyper:
    """Hyperparameters of LorentzNet; defaults of arXiv:2201.08187, section 4, and its public code.

    Attributes
    ----------
    hidden : int
        Width of all layers.
    layers : int
        Blocks of messages.
    step : float
        How far momenta move in a block.
    dropout : float
        Before the last layer.
    particles : int
        Constituents of a jet that are read: the first.
    training : TrainingHyper
        How they are trained; the best epoch on the validation events is kept. In single precision, also on
        a GPU: products of momenta are small differences of large numbers.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> LorentzNetHyper().hidden, LorentzNetHyper().layers
    (72, 6)
    """

    hidden: int = 72
    layers: int = 6
    step: float = 5e-3
    dropout: float = 0.2
    particles: int = 128
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=35, batch=128, learning_rate=1e-3, schedule="cosine", mixed=False
        )
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "lorentznet",
            self,
            hidden=self.hidden >= 1,
            layers=self.layers >= 1,
            step=0 < self.step < 1,
            dropout=0 <= self.dropout < 1,
            particles=self.particles >= 1,
        )

    @property
    def score_rows(self) -> int:
        """Return how many events are scored at a time: some million pairs."""
        return max(1, 2**20 // (self.particles + 2) ** 2)

    def network(self, features: int, jets: int) -> LorentzNetwork:
        """Return an untrained network for so many numbers of the event and jets."""
        from ...networks.lorentz import LorentzNetwork  # noqa: PLC0415 - imports torch

        return LorentzNetwork(
            features,
            jets,
            hidden=self.hidden,
            layers=self.layers,
            step=self.step,
            dropout=self.dropout,
        )


@register_classifier("lorentznet")
class LorentzNet(TaggerKind):
    """LorentzNet: messages among the momenta of the constituents and two beam particles."""

    Hyper: ClassVar[type[LorentzNetHyper]] = LorentzNetHyper
