"""QUAK: how well an event fits the background, and how well it fits signals that one has thought of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gaussian_kde
from torch import Tensor, nn

from ....core import InputError
from ....core.arrays import within
from ....core.windows import Window
from ...flows.transforms import build_transform
from ...hyper_checks import refuse_unusable, section
from ...inputs.jet_columns import sort_jets
from ...method import Method, Need, register_method
from ...networks.variational_autoencoder import VariationalAutoencoder
from ...sample import Sample, simulated
from ...training.engine import seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights

__all__ = ["Quak", "QuakHyper"]

Plane = Literal["ratio", "density"]

_VALIDATION = 10  # every so many-th event validates
_ROWS = 16_384  # events that are scored at once


@dataclass(frozen=True)
class QuakHyper:
    """Hyperparameters of QUAK (arXiv:2101.08320, section 5.3; arXiv:2011.03550).

    Attributes
    ----------
    priors : tuple of str
        Parquet files or folders of simulated signals, with the features of the data, one a prior. None
        is 1D QUAK, the loss of the background alone.
    score : {"ratio", "density"}
        In the plane of losses: that of the background over the smallest of the signals', in the
        logarithm; or the density of the events of the signal priors over that of background.
    nodes : tuple of int
        Hidden layers of the encoders; decoders have them backwards.
    latent : int
        Latent numbers.
    flows, flow_width : int
        Masked autoregressive layers of the posterior, and their nodes (not published); 0 for none.
    beta : float
        Times the Kullback–Leibler divergence in the loss of the training.
    points : int
        Events of each prior that the densities are made of.
    sort : bool
        Order the two jets by mass.
    min_events : int
        The fewest events of a prior.
    training : TrainingHyper
        How each is trained; every tenth event validates it.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    priors: tuple[str, ...] = ()
    score: str = "ratio"
    nodes: tuple[int, ...] = (50, 30, 20)
    latent: int = 4
    flows: int = 2
    flow_width: int = 32
    beta: float = 10.0
    points: int = 1000
    sort: bool = True
    min_events: int = 100
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=100, batch=1000, patience=10)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            section(self),
            self,
            score=self.score in get_args(Plane),
            nodes=all(n >= 1 for n in self.nodes),
            latent=self.latent >= 1,
            flows=self.flows >= 0,
            flow_width=self.flow_width >= 1,
            beta=self.beta >= 0,
            points=self.points >= 10,
            min_events=self.min_events >= 10,
        )


@register_method("quak")
class Quak(Method[QuakHyper]):
    """Losses of one variational autoencoder for each prior: the background, and signals one has thought of.

    All are trained on simulation alone, so that no event that is scored was ever learnt: the
    same model serves all folds. What is unlike the background and not too unlike one of the
    signals has a large score.
    """

    needs: tuple[Need, ...] = ("features", "simulation")
    source: ClassVar[str] = (
        "QUAK, LHC Olympics 2020 (arXiv:2101.08320), section 5.3; arXiv:2011.03550"
    )
    windowed: bool = False
    trained_on: Literal["data", "simulation"] = "simulation"
    Hyper: ClassVar[type[QuakHyper]] = QuakHyper
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"
    fast: ClassVar[Mapping[str, Any]] = {
        "nodes": [16, 8],
        "latent": 1,
        "flows": 1,
        "flow_width": 4,
        "beta": 0.1,
        "training": {"epochs": 3, "batch": 200, "learning_rate": 1e-2},
        "device": "cpu",
    }

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn from simulation alone; see :meth:`Method.fit`."""
        del window  # the same in all
        background = simulated(self.name, simulation)
        self._names = data.names
        background.refuse_constant_features()
        samples = [background, *self.learnt_signals(self._names)]
        for sample, name in zip(samples, ("the background", *self.hyper.priors), strict=True):
            if len(sample) < self.hyper.min_events:
                msg = (
                    f"method {self.name!r}: {len(sample)} simulated events of {name} are too few to "
                    f"learn from, where {self.hyper.min_events} are needed; simulate more"
                )
                raise InputError(msg)
        x = self._ordered(background)
        self._mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._std = x.std(axis=0, dtype=np.float64).astype(np.float32)
        seeds = np.random.SeedSequence(seed).generate_state(len(samples)).tolist()
        self._models = [
            self._learn(sample, each) for sample, each in zip(samples, seeds, strict=True)
        ]
        self._points = np.empty((0, self.hyper.points, len(samples)))
        if self.hyper.score == "density" and len(samples) > 1:
            rng = np.random.default_rng(seed)
            self._points = np.stack(
                [self._drawn(background, rng), self._mixed(samples[1:], rng)]
            ).astype(np.float64)
        return self

    @property
    def learnt_files(self) -> tuple[str, ...]:
        """The signal priors; see :attr:`Method.learnt_files`."""
        return self.hyper.priors

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the score in the plane of losses; see :meth:`Method.score`."""
        losses = np.log(self.losses(data))
        if losses.shape[1] == 1:
            return losses[:, 0]
        if self.hyper.score == "ratio":
            return losses[:, 0] - losses[:, 1:].min(axis=1)
        background, signal = (gaussian_kde(points.T).logpdf(losses.T) for points in self._points)
        least = np.log(np.finfo(np.float32).tiny)
        return (signal.clip(least) - background.clip(least)).astype(np.float32)

    def losses(self, data: Sample) -> NDArray[np.float32]:
        """Return the squared error of each event by each prior, shape (n_events, 1 + n_priors).

        That of the background comes first; features are in units of their standard deviations in
        the background, for all priors alike.
        """
        self.refuse_unlike(data)
        x = self._standardised(data)
        return np.stack([self._losses(model, x) for model in self._models], axis=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        weights: dict[str, NDArray[Any]] = {}
        for i, model in enumerate(self._models):
            weights |= weights_of(model, f"prior{i}.")
        return weights | {
            "names": np.array(self._names),
            "mean": self._mean,
            "std": self._std,
            "points": self._points,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._mean, self._std, self._points = (arrays[key] for key in ("mean", "std", "points"))
        self._models = [
            with_weights(self._untrained(), within(arrays, f"prior{i}."))
            for i in range(1 + len(self.hyper.priors))
        ]

    def _ordered(self, data: Sample) -> NDArray[np.float32]:
        return (sort_jets(data) if self.hyper.sort else data).features

    def _standardised(self, data: Sample) -> NDArray[np.float32]:
        return ((self._ordered(data) - self._mean) / self._std).astype(np.float32)

    def _untrained(self) -> VariationalAutoencoder:
        hyper, flow = self.hyper, None
        if hyper.flows:
            shape = {"layers": hyper.flows, "width": hyper.flow_width, "depth": 1}
            flow = build_transform("maf", hyper.latent, context=0, bins=1, tail=1.0, **shape)
        return VariationalAutoencoder(
            len(self._names),
            nodes=hyper.nodes,
            latent=hyper.latent,
            activation=nn.LeakyReLU,
            flow=flow,
        )

    def _learn(self, sample: Sample, seed: int) -> VariationalAutoencoder:
        with seeded(seed):
            model = self._untrained()
        x = self._standardised(sample)
        check = np.arange(len(x)) % _VALIDATION == 0

        def loss(model: VariationalAutoencoder, batch: Tensor) -> Tensor:
            rebuilt, divergence = model(batch)
            return (rebuilt - batch).square().sum(dim=1) + self.hyper.beta * divergence

        train(
            model,
            loss,
            [x],
            train=~check,
            validation=check,
            hyper=self.hyper.training,
            seed=seed,
            device=self.hyper.device,
            weight=sample.weight,
        )
        return model

    def _losses(self, model: VariationalAutoencoder, x: NDArray[np.float32]) -> NDArray[np.float32]:
        def errors(batch: Tensor) -> Tensor:
            return (model(batch)[0] - batch).square().sum(dim=1)

        found = in_rows(model, errors, x, device=self.hyper.device, rows=_ROWS)
        return found + np.finfo(np.float32).tiny

    def _drawn(self, sample: Sample, rng: np.random.Generator) -> NDArray[np.float32]:
        rows = rng.choice(len(sample), self.hyper.points)  # an event may come twice
        return np.log(self.losses(sample.take(rows)))

    def _mixed(self, samples: list[Sample], rng: np.random.Generator) -> NDArray[np.float32]:
        drawn = np.stack([self._drawn(sample, rng) for sample in samples])
        which = rng.integers(len(samples), size=self.hyper.points)
        return drawn[which, np.arange(self.hyper.points)]
