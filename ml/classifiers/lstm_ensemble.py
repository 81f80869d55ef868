"""Ensembles of recurrent networks on jets: the classifiers of kind ``lstm``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ...core import InputError
from ..networks.recurrent import JET_COLUMNS, JetSequenceNetwork
from .module_ensemble import ModuleEnsemble, fit_modules, restored_modules

__all__ = ["LstmEnsemble", "fit_lstm"]

_LOOKED_AT = 100_000  # events that decide the standardisation


@dataclass(frozen=True, eq=False)
class LstmEnsemble(ModuleEnsemble):
    """The mean probability of recurrent networks on jets.

    Attributes
    ----------
    networks : tuple of JetSequenceNetwork
        On the CPU.
    hyper : LstmHyper
        Their shape.
    """

    hyper: Any

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; :meth:`from_arrays` takes it back."""
        return {"jets": np.array(self.networks[0].jets)} | super().arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, hyper: Any) -> Self:
        """Take over what :meth:`arrays` returned; the shapes are those of the hyperparameters."""
        jets = int(arrays["jets"])
        return cls(restored_modules(arrays, lambda: _untrained(jets, hyper)), hyper)

    def _columns(self, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [x]

    def _device(self) -> str:
        return self.hyper.device


def fit_lstm(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: Any,
    members: int,
    seed: int,
) -> dict[int, LstmEnsemble]:
    """Train recurrent networks on jets, some for each inner fold, which stops them.

    Parameters
    ----------
    x : ndarray of float32, shape (n_events, 4 n_jets)
        pT, eta, phi and mass of the first jet, then of the second, in order of falling pT.
    y, weight, inner, members, seed
        As of :func:`~overdensity.ml.classifiers.module_ensemble.fit_modules`.
    hyper : LstmHyper
        Shape and training.

    Returns
    -------
    dict of int to LstmEnsemble
        The networks that each inner fold has stopped.

    Raises
    ------
    InputError
        If the columns are not four for each jet.
    """
    jets, left = divmod(x.shape[1], JET_COLUMNS)
    if left or not jets:
        msg = (
            f"the classifier 'lstm' reads pt, eta, phi and mass of each jet, jet by jet, and finds "
            f"{x.shape[1]} columns; name 4 a jet under features (j1_pt, j1_eta, j1_phi, j1_mass, …)"
        )
        raise InputError(msg)
    some = torch.from_numpy(np.ascontiguousarray(x[:: max(1, len(x) // _LOOKED_AT)]))

    def make() -> JetSequenceNetwork:
        network = _untrained(jets, hyper)
        inputs, there = network.inputs(some)
        network.mean.copy_(inputs[there].mean(dim=0))
        network.width.copy_(inputs[there].std(dim=0).clamp(min=1e-6))
        return network

    fitted = fit_modules(make, [x], y, weight, inner, hyper=hyper, members=members, seed=seed)
    return {fold: LstmEnsemble(networks, hyper) for fold, networks in fitted.items()}


def _untrained(jets: int, hyper: Any) -> JetSequenceNetwork:
    return JetSequenceNetwork(jets, memory=hyper.memory, dense=hyper.dense, relative=hyper.relative)
