"""BuHuLaSpa: one latent number of a variational autoencoder that is told the resonant mass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core import ConfigError
from ....core.arrays import within
from ....core.windows import Window
from ...hyper_checks import refuse_unusable, section
from ...inputs.jet_columns import sort_jets
from ...method import Method, Need, register_method
from ...networks.variational_autoencoder import VariationalAutoencoder
from ...sample import Sample
from ...training.engine import one_thread, seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights
from .reconstruction import refuse_few_to_learn

__all__ = ["BuhulaspaHyper", "BumpHuntInLatentSpace"]

Scaling = Literal["largest", "quantile"]

_VALIDATION = 10  # every so many-th event says when to stop
_ROWS = 65_536  # events that are scored at once
_QUANTILE = 0.99


@dataclass(frozen=True)
class BuhulaspaHyper:
    """Hyperparameters of BuHuLaSpa (arXiv:2101.08320, section 3.3).

    Attributes
    ----------
    nodes : tuple of int
        Hidden layers of the encoder; the decoder has them backwards.
    latent : int
        Latent numbers beside the mass.
    beta : float
        Times the mean squared error in the loss, beside the Kullback–Leibler divergence.
    smearing : float
        Standard deviation of the mass that the decoder is given, as a share of it.
    scaling : {"largest", "quantile"}
        What features are divided by: their largest absolute value, as published, which an outlier
        decides, or the 99 % quantile of the absolute values.
    center : bool
        Measure from the median of the latent numbers of the training events. Published: from zero, where
        the usual event lies only once the divergence has drawn it there; before, the norm
        is large for the usual event.
    sort : bool
        Order the two jets by mass.
    min_events : int
        The fewest events to learn from.
    training : TrainingHyper
        How it is trained. All epochs are kept until one is chosen: ``keep`` and ``average`` stay as they are.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    nodes: tuple[int, ...] = (100, 100)
    latent: int = 1
    beta: float = 5000.0
    smearing: float = 0.1
    scaling: str = "largest"
    center: bool = True
    sort: bool = True
    min_events: int = 100
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=50, batch=10_000, learning_rate=1e-3, keep="last", optimizer="adadelta"
        )
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            section(self),
            self,
            nodes=all(n >= 1 for n in self.nodes),
            latent=self.latent >= 1,
            beta=self.beta > 0,
            smearing=0 <= self.smearing < 1,
            scaling=self.scaling in get_args(Scaling),
            min_events=self.min_events >= 2 * _VALIDATION,
        )
        if self.training.keep != "last" or self.training.average != 1 or self.training.patience:
            msg = (
                "method 'buhulaspa' chooses the epoch itself; use keep: last, average: 1 and "
                "patience: 0 in its training"
            )
            raise ConfigError(msg)


@register_method("buhulaspa")
class BumpHuntInLatentSpace(Method[BuhulaspaHyper]):
    """Distance from the usual event in the latent space of an autoencoder whose decoder knows the mass.

    Events are encoded without their resonant mass and rebuilt with it, so that the latent number has no reason
    to be the mass. The training is stopped where the errors of the features differ least from
    one another, before the network rebuilds a few of them and forgets the others; no label enters.
    """

    needs: tuple[Need, ...] = ("features",)
    source: ClassVar[str] = (
        "BuHuLaSpa: bump hunting in latent space, LHC Olympics 2020 (arXiv:2101.08320), section 3.3; "
        "arXiv:2103.06595"
    )
    windowed: bool = False
    Hyper: ClassVar[type[BuhulaspaHyper]] = BuhulaspaHyper
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"
    fast: ClassVar[Mapping[str, Any]] = {
        "nodes": [30],
        "latent": 3,
        "scaling": "quantile",
        "training": {
            "epochs": 8,
            "batch": 100,
            "learning_rate": 1.0,
            "keep": "last",
            "optimizer": "adadelta",
        },
        "device": "cpu",
    }

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn from all events, whatever their mass; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        refuse_few_to_learn(data, window, self.hyper.min_events)
        data.refuse_constant_features()
        self._names = data.names
        x = np.abs(self._ordered(data).features)
        largest = x.max(axis=0) if self.hyper.scaling == "largest" else np.quantile(x, _QUANTILE, 0)
        self._scale = np.where(largest > 0, largest, 1.0).astype(np.float32)
        self._heaviest = np.array(data.mass.max(), np.float32)
        columns = self._columns(data)
        with seeded(seed):
            model = self._untrained()
        check = np.arange(len(data)) % _VALIDATION == 0
        hyper = self.hyper.training
        trained = train(
            model,
            self._loss,
            columns,
            train=~check,
            validation=np.arange(0),
            hyper=_keeping_all(hyper),
            seed=seed,
            device=self.hyper.device,
            weight=data.weight,
        )
        order = np.argsort(trained.epochs)
        some = [torch.as_tensor(column[check]) for column in columns]
        self.spreads = np.array([self._spread(model, trained.states[i], *some) for i in order])
        self.epoch = int(self.spreads.argmin())
        self._states = [trained.states[i] for i in order]
        self._model = self._of_epoch(self.epoch)
        self._center = self._median(self._model, data)
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the norm of the latent numbers; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        return self._norms(self._model, data, self._center)

    def scores_of_epochs(self, data: Sample, learnt: Sample) -> NDArray[np.float32]:
        """Return the scores after each epoch, shape (n_epochs, n_events), of a method just fitted.

        What the stopping rule is measured with; ``learnt`` are the training events.
        """
        self.refuse_unlike(data)
        models = map(self._of_epoch, range(len(self._states)))
        return np.stack([self._norms(m, data, self._median(m, learnt)) for m in models])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return weights_of(self._model, "vae.") | {
            "names": np.array(self._names),
            "scale": self._scale,
            "heaviest": self._heaviest,
            "center": self._center,
            "spreads": self.spreads,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._scale, self._heaviest = arrays["scale"], arrays["heaviest"]
        self._center = arrays["center"]
        self.spreads, self.epoch = arrays["spreads"], int(arrays["spreads"].argmin())
        self._model = with_weights(self._untrained(), within(arrays, "vae."))

    def _ordered(self, data: Sample) -> Sample:
        return sort_jets(data) if self.hyper.sort else data

    def _columns(self, data: Sample) -> list[NDArray[np.float32]]:
        """Return the scaled features, and the mass in units of the largest that was learnt."""
        x = (self._ordered(data).features / self._scale).astype(np.float32)
        return [x, (data.mass / self._heaviest).astype(np.float32)[:, None]]

    def _untrained(self) -> VariationalAutoencoder:
        return VariationalAutoencoder(
            len(self._names),
            nodes=self.hyper.nodes,
            latent=self.hyper.latent,
            activation=nn.SELU,
            given=1,
        )

    def _loss(self, model: VariationalAutoencoder, x: Tensor, mass: Tensor) -> Tensor:
        smeared = mass * (1 + self.hyper.smearing * torch.randn_like(mass))
        rebuilt, divergence = model(x, smeared)
        return self.hyper.beta * (rebuilt - x).square().mean(dim=1) + divergence

    @torch.no_grad()
    def _spread(
        self, model: VariationalAutoencoder, state: Mapping[str, Tensor], x: Tensor, mass: Tensor
    ) -> float:
        """Return the variance of the mean squared errors of the features (section 3.3.1)."""
        model.load_state_dict(state)
        model.eval()
        with one_thread():
            errors = (model(x, mass)[0] - x).square().mean(dim=0)
        return float(errors.var(correction=0))

    def _of_epoch(self, epoch: int) -> VariationalAutoencoder:
        model = self._untrained()
        model.load_state_dict(self._states[epoch])
        return model.eval()

    def _median(self, model: VariationalAutoencoder, learnt: Sample) -> NDArray[np.float32]:
        latent = self._latent(model, learnt)
        return np.median(latent, axis=0) if self.hyper.center else np.zeros_like(latent[0])

    def _norms(
        self, model: VariationalAutoencoder, data: Sample, center: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return np.linalg.norm(self._latent(model, data) - center, axis=1)

    def _latent(self, model: VariationalAutoencoder, data: Sample) -> NDArray[np.float32]:
        """Return the means of the latent numbers, shape (n_events, latent)."""
        x, shape = self._columns(data)[0], (self.hyper.latent,)
        return in_rows(model, model.means, x, device=self.hyper.device, rows=_ROWS, shape=shape)


def _keeping_all(hyper: TrainingHyper) -> TrainingHyper:
    """Return how to train with the states of all epochs kept."""
    return TrainingHyper(**{**vars(hyper), "average": hyper.epochs})
