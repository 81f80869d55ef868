"""Ensembles of networks on the constituents of jets, whatever the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ....core import InputError
from ...blocks.constituents import Constituents, Padded
from ...training.checkpoints import Rows
from ...training.weights import weights_of, with_weights
from ..kinds import Inputs
from ..module_ensemble import ModuleEnsemble, ModuleHyper, fit_modules, restored_modules

__all__ = ["TaggerEnsemble", "TaggerHyper", "fit_taggers"]


class TaggerHyper(ModuleHyper, Protocol):
    """What hyperparameters of a kind on constituents have, beside how to train and where."""

    @property
    def particles(self) -> int:
        """Return how many constituents of a jet are read: the first."""
        ...

    @property
    def score_rows(self) -> int:
        """Return how many events are scored at a time."""
        ...

    def network(self, features: int, jets: int) -> nn.Module:
        """Return an untrained network that gives log-odds for so many numbers of the event and jets."""
        ...


@dataclass(frozen=True, eq=False)
class TaggerEnsemble(ModuleEnsemble):
    """The mean probability of networks on constituents.

    Attributes
    ----------
    networks : tuple of Module
        On the CPU.
    mean, std : ndarray of float32, shape (n_features,)
        Features of the event are standardised by them.
    jets : tuple of str
        Names of the columns of constituents.
    hyper : TaggerHyper
        Shape of the networks.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    jets: tuple[str, ...]
    hyper: TaggerHyper

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; :meth:`from_arrays` takes it back."""
        own = {"mean": self.mean, "std": self.std, "jets": np.array(self.jets)}
        return own | super().arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, hyper: TaggerHyper) -> Self:
        """Take over what :meth:`arrays` returned; the shapes are those of the hyperparameters."""
        jets, mean = tuple(map(str, arrays["jets"])), arrays["mean"]
        networks = restored_modules(arrays, lambda: hyper.network(len(mean), len(jets)))
        return cls(networks, mean, arrays["std"], jets, hyper)

    def _columns(self, x: Inputs) -> list[Rows]:
        missing = [name for name in self.jets if name not in x.blocks]
        if missing:
            msg = f"the classifier was trained on {', '.join(missing)}, which these events lack"
            raise InputError(msg)
        features = _standard(x.features, self.mean, self.std)
        return [features, *_padded(x, self.jets, self.hyper.particles)]

    def _device(self) -> str:
        return self.hyper.device

    def _rows(self) -> int:
        return self.hyper.score_rows


def fit_taggers(
    x: Inputs,
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: TaggerHyper,
    members: int,
    seed: int,
    stopping: Sequence[int] | None = None,
    start: TaggerEnsemble | None = None,
) -> dict[int, TaggerEnsemble]:
    """Train networks on constituents, some for each inner fold, which stops them.

    Parameters
    ----------
    x : Inputs
        Features, standardised here, and constituents, normalised per jet here.
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights.
    inner : ndarray of int64, shape (n_events,)
        Inner fold of each event, from 0.
    hyper : TaggerHyper
        Shape and training.
    members : int
        Networks an inner fold.
    seed : int
        Decides initial weights and batches.
    stopping : sequence of int, optional
        The inner folds that stop networks; by default all.
    start : TaggerEnsemble, optional
        Networks begin with the weights of its first, and features are standardised as it does; it
        reads as many columns and its networks are of the same shape.

    Returns
    -------
    dict of int to TaggerEnsemble
        The networks that each inner fold has stopped.
    """
    jets = tuple(name for name, block in x.blocks.items() if isinstance(block, Constituents))
    if start is None:
        mean = x.features.mean(axis=0, dtype=np.float64).astype(np.float32)
        std = x.features.std(axis=0, dtype=np.float64).astype(np.float32)
        known = {}
    else:
        mean, std, known = start.mean, start.std, weights_of(start.networks[0])

    def make() -> nn.Module:
        network = hyper.network(len(mean), len(jets))
        return with_weights(network, known) if known else network

    columns = [_standard(x.features, mean, std), *_padded(x, jets, hyper.particles)]
    fitted = fit_modules(
        make,
        columns,
        y,
        weight,
        inner,
        hyper=hyper,
        members=members,
        seed=seed,
        stopping=stopping,
    )
    return {
        fold: TaggerEnsemble(networks, mean, std, jets, hyper) for fold, networks in fitted.items()
    }


def _padded(x: Inputs, jets: tuple[str, ...], particles: int) -> list[Padded]:
    blocks = [x.blocks[name] for name in jets]
    return [
        block.normalised().padded(particles) for block in blocks if isinstance(block, Constituents)
    ]


def _standard(
    features: NDArray[np.float32], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> NDArray[np.float32]:
    return ((features - mean) / np.where(std > 0, std, 1)).astype(np.float32, copy=False)
