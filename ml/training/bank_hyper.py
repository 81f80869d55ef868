"""Hyperparameters of a bank of networks; importable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from ..hyper_checks import refuse_unusable

__all__ = ["BankHyper"]


@dataclass(frozen=True)
class BankHyper:
    """Settings of the networks of a bank; defaults of arXiv:2101.08320, section 4.1.1.

    Attributes
    ----------
    layers, width : int
        Hidden layers and their nodes; leaky ReLU (0.1) after the first, ELU after the others.
    dropout : float
        Probability between hidden layers.
    learning_rate, beta1, beta2, decay : float
        Adam; at step t the rate is learning_rate / (1 + decay t), as Keras defines it.
    epochs : int
        Largest number of epochs (not published).
    patience : int
        Epochs without a better validation before a network stops.
    cut : float
        The sideband efficiency at which a network is judged.
    activation : {'leaky_elu', 'relu'}
        As above, or ReLU throughout.
    judge : {'cut', 'loss', 'last'}
        Which epochs are the best ones: those of the largest signal-region efficiency at sideband
        efficiency ``cut``, of the smallest loss, both on the validation events, or the last.
    average : int
        How many of the best epochs are kept of each network.

    Raises
    ------
    ConfigError
        If a value cannot be used.
    """

    layers: int = 4
    width: int = 128
    dropout: float = 0.1
    learning_rate: float = 1e-3
    beta1: float = 0.8
    beta2: float = 0.99
    decay: float = 5e-4
    epochs: int = 1000
    patience: int = 250
    cut: float = 0.01
    activation: str = "leaky_elu"
    judge: str = "cut"
    average: int = 1

    def __post_init__(self) -> None:
        refuse_unusable(
            "networks",
            self,
            layers=self.layers >= 1,
            width=self.width >= 1,
            dropout=0 <= self.dropout < 1,
            learning_rate=self.learning_rate > 0,
            epochs=self.epochs >= 1,
            patience=self.patience >= 1,
            cut=0 < self.cut < 1,
            activation=self.activation in ("leaky_elu", "relu"),
            judge=self.judge in ("cut", "loss", "last"),
            # every network runs so long, so no place for an epoch stays empty
            average=1 <= self.average <= min(self.epochs, self.patience),
        )
