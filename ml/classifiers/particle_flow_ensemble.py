"""Ensembles of particle flow networks: the classifiers of kind ``pfn``, on constituents of jets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import Tensor
from torch.nn import functional

from ...core import InputError
from ..blocks.constituents import Constituents, Padded
from ..networks.sets import ParticleFlowNetwork
from ..training.device import pick_device
from ..training.engine import one_thread, seeded, train
from .kinds import Inputs
from .particle_flow_hyper import ParticleFlowHyper

__all__ = ["ParticleFlowEnsemble", "fit_particle_flow", "together"]

_SCORE_ROWS = 4096


@dataclass(frozen=True, eq=False)
class ParticleFlowEnsemble:
    """The mean probability of particle flow networks.

    Attributes
    ----------
    networks : tuple of ParticleFlowNetwork
        On the CPU.
    mean, std : ndarray of float32, shape (n_features,)
        Features of the event are standardised by them.
    jets : tuple of str
        Names of the columns of constituents.
    hyper : ParticleFlowHyper
        Shape of the networks.
    """

    networks: tuple[ParticleFlowNetwork, ...]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    jets: tuple[str, ...]
    hyper: ParticleFlowHyper

    def score(self, x: Inputs) -> NDArray[np.float32]:
        """Return the mean probability of the first class, shape (n_events,)."""
        return self._probability(x).astype(np.float32)

    def log_odds(self, x: Inputs) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability, shape (n_events,)."""
        return logit(self._probability(x)).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; :meth:`from_arrays` takes it back."""
        weights = {
            f"networks.{i}.{name}": value.cpu().numpy()
            for i, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }
        return {"mean": self.mean, "std": self.std, "jets": np.array(self.jets)} | weights

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, hyper: ParticleFlowHyper) -> Self:
        """Take over what :meth:`arrays` returned; the shapes are those of the hyperparameters."""
        jets, mean = tuple(map(str, arrays["jets"])), arrays["mean"]
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in arrays.items():
            if key.startswith("networks."):
                _, number, name = key.split(".", 2)
                states.setdefault(int(number), {})[name] = torch.from_numpy(value)
        networks = []
        for _, state in sorted(states.items()):
            network = ParticleFlowNetwork(len(mean), len(jets), phi=hyper.phi, f=hyper.f).eval()
            network.load_state_dict(state)
            networks.append(network)
        return cls(tuple(networks), mean, arrays["std"], jets, hyper)

    def _probability(self, x: Inputs) -> NDArray[np.float64]:
        missing = [name for name in self.jets if name not in x.blocks]
        if missing:
            msg = f"the classifier was trained on {', '.join(missing)}, which these events lack"
            raise InputError(msg)
        device = pick_device(self.hyper.device)
        columns = [_standard(x.features, self.mean, self.std)]
        columns += _padded(x, self.jets, self.hyper.particles)
        probability = np.zeros(len(x.features))
        with torch.no_grad(), one_thread():
            for start in range(0, len(probability), _SCORE_ROWS):
                rows = slice(start, start + _SCORE_ROWS)
                batch = [torch.as_tensor(column[rows], device=device) for column in columns]
                for network in self.networks:
                    logits = network.to(device)(*batch).double()
                    probability[rows] += torch.sigmoid(logits).cpu().numpy() / len(self.networks)
        return probability


def fit_particle_flow(
    x: Inputs,
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: ParticleFlowHyper,
    members: int,
    seed: int,
) -> dict[int, ParticleFlowEnsemble]:
    """Train particle flow networks, some for each inner fold, which stops them.

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
    hyper : ParticleFlowHyper
        Shape and training.
    members : int
        Networks an inner fold.
    seed : int
        Decides initial weights and batches.

    Returns
    -------
    dict of int to ParticleFlowEnsemble
        The networks that each inner fold has stopped.
    """
    mean = x.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    std = x.features.std(axis=0, dtype=np.float64).astype(np.float32)
    jets = tuple(name for name, block in x.blocks.items() if isinstance(block, Constituents))
    columns = [
        _standard(x.features, mean, std),
        y.astype(np.float32),
        *_padded(x, jets, hyper.particles),
    ]
    folds = np.unique(inner).tolist()
    seeds = np.random.SeedSequence(seed).generate_state(len(folds) * members, np.uint64).tolist()
    fitted: dict[int, list[ParticleFlowNetwork]] = {fold: [] for fold in folds}
    for fold in folds:
        for _ in range(members):
            own = seeds.pop()
            with seeded(own):
                network = ParticleFlowNetwork(len(mean), len(jets), phi=hyper.phi, f=hyper.f)
            train(
                network,
                _cross_entropy,
                columns,
                train=inner != fold,
                validation=inner == fold,
                hyper=hyper.training,
                seed=own,
                device=hyper.device,
                weight=weight,
            )
            fitted[fold].append(network)
    return {
        fold: ParticleFlowEnsemble(tuple(networks), mean, std, jets, hyper)
        for fold, networks in fitted.items()
    }


def together(ensembles: Mapping[int, ParticleFlowEnsemble]) -> ParticleFlowEnsemble:
    """Return all networks as one ensemble."""
    first = next(iter(ensembles.values()))
    networks = tuple(network for each in ensembles.values() for network in each.networks)
    return ParticleFlowEnsemble(networks, first.mean, first.std, first.jets, first.hyper)


def _cross_entropy(
    network: ParticleFlowNetwork, features: Tensor, y: Tensor, *jets: Tensor
) -> Tensor:
    logits = network(features, *jets)
    return functional.softplus(logits) - y * logits


def _padded(x: Inputs, jets: tuple[str, ...], particles: int) -> list[Padded]:
    blocks = [x.blocks[name] for name in jets]
    return [
        block.normalised().padded(particles) for block in blocks if isinstance(block, Constituents)
    ]


def _standard(
    features: NDArray[np.float32], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> NDArray[np.float32]:
    return ((features - mean) / np.where(std > 0, std, 1)).astype(np.float32, copy=False)
