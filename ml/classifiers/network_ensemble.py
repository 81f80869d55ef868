"""Ensembles of networks: trained as one bank, the best epochs of each averaged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit

from ..training.bank import Bank, train_bank
from ..training.device import pick_device
from ..training.watching import is_watched
from .kinds import EnsembleHyper
from .members import features_of_members, note_reliability

__all__ = ["NetworkEnsemble", "fit_networks"]


@dataclass(frozen=True, eq=False)
class NetworkEnsemble:
    """The mean output of a bank of networks.

    Attributes
    ----------
    bank : Bank
        The networks.
    mean, std : ndarray of float32, shape (n_features,)
        Features are standardised by them.
    device : str
        Where it runs.
    """

    bank: Bank
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    device: str = "auto"

    def log_odds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability; see :class:`Classifier`."""
        probability = torch.sigmoid(self._logits(x).cpu().double()).mean(dim=0).numpy()
        return logit(probability).astype(np.float32)

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean probability; see :class:`Classifier`."""
        return torch.sigmoid(self._logits(x)).mean(dim=0).cpu().numpy()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :class:`Classifier`."""
        return {"mean": self.mean, "std": self.std} | self.bank.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, device: str = "auto") -> Self:
        """Take over what :meth:`arrays` returned."""
        return cls(Bank.from_arrays(arrays), arrays["mean"], arrays["std"], device)

    def _logits(self, x: NDArray[np.float32]) -> torch.Tensor:
        device = pick_device(self.device)
        standard = torch.as_tensor((x - self.mean) / self.std, device=device)
        return self.bank.to(device).predict(standard)


def fit_networks(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: EnsembleHyper,
    seed: int,
) -> NetworkEnsemble:
    """Train an ensemble of networks as one bank; see :meth:`ClassifierKind.fit`."""
    networks, n = hyper.settings, hyper.inner_folds * hyper.members
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    std = x.std(axis=0, dtype=np.float64).astype(np.float32)
    validates = np.repeat(np.arange(hyper.inner_folds), hyper.members * networks.restarts)
    seeds = np.random.SeedSequence(seed).generate_state(len(validates) + 1).tolist()
    seen = features_of_members(n, x.shape[1], hyper.feature_fraction, seed)
    bank, best = train_bank(
        (x - mean) / std,
        y,
        weight,
        inner != validates[:, None],
        seeds=seeds[1:],
        seed=seeds[0],
        steps=math.ceil(len(x) * (1 - 1 / hyper.inner_folds) / networks.batch),
        hyper=networks,
        features=None if seen is None else np.repeat(seen, networks.restarts, axis=0),
        device=networks.device,
    )
    winners = best.reshape(n, networks.restarts).argmax(axis=1) + np.arange(n) * networks.restarts
    epochs = np.arange(networks.average)[:, None] * len(validates)

    def of_winners(chosen: NDArray[np.int64]) -> NetworkEnsemble:
        return NetworkEnsemble(
            bank.take((epochs + chosen).ravel().tolist()), mean, std, networks.device
        )

    stopped = winners.reshape(hyper.inner_folds, -1)
    if is_watched():
        held_out = {
            fold: of_winners(stopped[fold]).score(x[inner == fold])
            for fold in np.unique(inner).tolist()
        }
        note_reliability(held_out, y, weight, inner)
    return of_winners(winners)
