"""CWoLa hunting with networks, as published, all of a window and fold trained as one bank."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from .bank import Bank, BankHyper, pick_device, train_bank
from .cwola import SOURCE, CwolaHunting, NestedHyper, NestedTask
from .method import register

__all__ = ["CwolaNetworks", "NetworksHyper"]


@dataclass(frozen=True)
class NetworksHyper(NestedHyper, BankHyper):
    """Hyperparameters of CWoLa hunting with networks; the defaults are the published ones.

    Attributes
    ----------
    restarts : int
        Networks an inner fold; the best on its validation events is kept.
    batch : int
        Events in a batch: so many that each holds some of a rare signal.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    """

    restarts: int = 3
    batch: int = 5000
    device: str = "auto"


@register
class CwolaNetworks(CwolaHunting[NetworksHyper]):
    """CWoLa hunting with small networks, as published; slow without a GPU."""

    name: ClassVar[str] = "cwola_networks"
    source: ClassVar[str] = SOURCE
    Hyper: ClassVar[type[NetworksHyper]] = NetworksHyper

    def _learn(self, task: NestedTask, seed: int) -> None:
        hyper = self.hyper
        self._mean = task.x.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._std = task.x.std(axis=0, dtype=np.float64).astype(np.float32)
        validates = np.repeat(np.arange(hyper.inner_folds), hyper.restarts)
        seeds = np.random.SeedSequence(seed).generate_state(len(validates) + 1).tolist()
        bank, best = train_bank(
            (task.x - self._mean) / self._std,
            task.y,
            task.weight,
            task.inner != validates[:, None],
            seeds=seeds[1:],
            seed=seeds[0],
            steps=math.ceil(len(task.x) * (1 - 1 / hyper.inner_folds) / hyper.batch),
            hyper=BankHyper(**{f.name: getattr(hyper, f.name) for f in fields(BankHyper)}),
            device=hyper.device,
        )
        winners = best.reshape(hyper.inner_folds, hyper.restarts).argmax(axis=1)
        self._bank = bank.take((np.arange(hyper.inner_folds) * hyper.restarts + winners).tolist())

    def _predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        device = pick_device(self.hyper.device)
        standard = torch.as_tensor((x - self._mean) / self._std, device=device)
        return torch.sigmoid(self._bank.to(device).predict(standard)).mean(dim=0).cpu().numpy()

    def _learnt(self) -> dict[str, NDArray[Any]]:
        return {"mean": self._mean, "std": self._std} | self._bank.arrays()

    def _take_over(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._mean, self._std = arrays["mean"], arrays["std"]
        self._bank = Bank.from_arrays(arrays)
