"""The classifier kind ``lstm``: recurrent networks on the sequence of the jets of an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ..hyper_checks import refuse_unusable
from ..training.training_hyper import TrainingHyper
from .kinds import register_classifier
from .module_kind import ModuleKind

if TYPE_CHECKING:
    from .lstm_ensemble import LstmEnsemble

__all__ = ["Lstm", "LstmHyper"]


@dataclass(frozen=True)
class LstmHyper:
    """Hyperparameters; defaults of the LHC Olympics (arXiv:2101.08320, section 5.4).

    Attributes
    ----------
    memory : tuple of two int
        Widths of the layers of long short-term memory.
    dense : tuple of int
        Widths of the dense layers.
    relative : bool
        pT and mass of a jet over the pT of the first. The published network reads them in GeV, from
        which the mass of the event follows: for a classifier that is told the truth in the signal
        region, and for no other.
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
    >>> LstmHyper().memory, LstmHyper().dense
    ((64, 128), (256, 256))
    """

    memory: tuple[int, ...] = (64, 128)
    dense: tuple[int, ...] = (256, 256)
    relative: bool = True
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=30, batch=256, patience=8)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "lstm",
            self,
            memory=len(self.memory) == 2 and all(each >= 1 for each in self.memory),
            dense=bool(self.dense) and all(each >= 1 for each in self.dense),
        )


@register_classifier("lstm")
class Lstm(ModuleKind):
    """Long short-term memory on jets: columns are pT, eta, phi and mass, jet by jet."""

    Hyper: ClassVar[type[LstmHyper]] = LstmHyper

    def _parts(self) -> tuple[type[LstmEnsemble], Callable[..., Mapping[int, LstmEnsemble]]]:
        from .lstm_ensemble import LstmEnsemble, fit_lstm  # noqa: PLC0415 - imports torch

        return LstmEnsemble, fit_lstm
