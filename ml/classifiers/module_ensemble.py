"""Ensembles of torch modules, one after the other: what kinds with networks of their own share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import Tensor, nn
from torch.nn import functional

from ..training.checkpoints import Rows
from ..training.engine import seeded, train
from ..training.in_rows import in_rows
from ..training.training_hyper import TrainingHyper
from ..training.weights import weights_of, with_weights
from .kinds import Shown

__all__ = [
    "ModuleEnsemble",
    "ModuleHyper",
    "fit_modules",
    "restored_modules",
    "together",
    "weights_of_modules",
]

_SCORE_ROWS = 4096

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ModuleHyper(Protocol):
    """What hyperparameters of such a kind have: how to train, and where."""

    @property
    def training(self) -> TrainingHyper:
        """Return how the networks are trained."""
        ...

    @property
    def device(self) -> str:
        """Return where they run."""
        ...


@dataclass(frozen=True, eq=False)
class ModuleEnsemble(ABC):
    """The mean probability of networks, each of which gives log-odds.

    Attributes
    ----------
    networks : tuple of Module
        On the CPU.
    """

    networks: tuple[Any, ...]

    @abstractmethod
    def _columns(self, x: Any) -> Sequence[Rows]:
        """Return what the networks are shown of events."""

    @abstractmethod
    def _device(self) -> str:
        """Return the name of the device where they run."""

    def _rows(self) -> int:
        """Return how many events are scored at a time."""
        return _SCORE_ROWS

    def score(self, x: Shown) -> NDArray[np.float32]:
        """Return the mean probability of the first class, shape (n_events,)."""
        return self._probability(x).astype(np.float32)

    def log_odds(self, x: Shown) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability, shape (n_events,)."""
        return logit(self._probability(x)).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights of all networks; see :func:`weights_of_modules`."""
        return weights_of_modules(self.networks)

    def _probability(self, x: Shown) -> NDArray[np.float64]:
        columns, probability = self._columns(x), np.zeros(len(x))
        device, rows = self._device(), self._rows()
        for network in self.networks:
            made = partial(_chance, network)
            each = in_rows(network, made, *columns, device=device, rows=rows, dtype=np.float64)
            probability += each / len(self.networks)
        return probability


def _chance(network: nn.Module, *batch: Tensor) -> Tensor:
    """Return the probability of which a network gives the log-odds."""
    return torch.sigmoid(network(*batch).cpu().double())  # Metal has no double precision


EnsembleT = TypeVar("EnsembleT", bound=ModuleEnsemble)


def fit_modules(
    make: Callable[[], ModuleT],
    columns: Sequence[Rows],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64] | None,
    inner: NDArray[np.int64],
    *,
    hyper: ModuleHyper,
    members: int,
    seed: int,
    loss: Callable[..., Tensor] | None = None,
    stopping: Sequence[int] | None = None,
    part: int | None = None,
) -> dict[int, tuple[ModuleT, ...]]:
    """Train networks that give log-odds, some for each inner fold, which stops them.

    Parameters
    ----------
    make : callable
        Returns a network with its initial weights.
    columns : sequence of Rows
        What it is shown.
    y, weight, inner : ndarray, shape (n_events,)
        Class, event weight and inner fold of each event.
    hyper : ModuleHyper
        How to train, and where.
    members : int
        Networks an inner fold.
    seed : int
        Decides initial weights and batches.
    loss : callable, optional
        Of a network, the classes and the columns, shape (n_events,); by default the cross entropy.
    stopping : sequence of int, optional
        The inner folds that stop networks; by default all.
    part : int, optional
        As of :func:`~overdensity.ml.training.engine.train`.

    Returns
    -------
    dict of int to tuple of Module
        The networks that each inner fold has stopped.
    """
    folds = np.unique(inner).tolist() if stopping is None else list(stopping)
    seeds = np.random.SeedSequence(seed).generate_state(len(folds) * members, np.uint64).tolist()
    fitted: dict[int, tuple[ModuleT, ...]] = {}
    for fold in folds:
        networks = []
        for _ in range(members):
            own = seeds.pop()
            with seeded(own):
                network = make()
            train(
                network,
                loss or _cross_entropy,
                [y.astype(np.float32), *columns],
                train=inner != fold,
                validation=inner == fold,
                hyper=hyper.training,
                seed=own,
                device=hyper.device,
                weight=weight,
                part=part,
            )
            networks.append(network)
        fitted[fold] = tuple(networks)
    return fitted


def together(ensembles: Mapping[int, EnsembleT]) -> EnsembleT:
    """Return all networks of some ensembles as one."""
    networks = tuple(network for each in ensembles.values() for network in each.networks)
    return replace(next(iter(ensembles.values())), networks=networks)


def weights_of_modules(networks: Sequence[nn.Module]) -> dict[str, NDArray[Any]]:
    """Return the weights of some networks; :func:`restored_modules` takes them back."""
    weights: dict[str, NDArray[Any]] = {}
    for i, network in enumerate(networks):
        weights |= weights_of(network, f"networks.{i}.")
    return weights


def restored_modules(
    arrays: Mapping[str, NDArray[Any]], make: Callable[[], ModuleT]
) -> tuple[ModuleT, ...]:
    """Return the networks whose weights :func:`weights_of_modules` returned."""
    weights: dict[int, dict[str, NDArray[Any]]] = {}
    for key, value in arrays.items():
        if key.startswith("networks."):
            _, number, name = key.split(".", 2)
            weights.setdefault(int(number), {})[name] = value
    return tuple(with_weights(make(), of_one) for _, of_one in sorted(weights.items()))


def _cross_entropy(network: nn.Module, y: Tensor, *columns: Tensor) -> Tensor:
    logits = network(*columns)
    return functional.softplus(logits) - y * logits
