"""Base of the outlier detectors that have one network for the constituents of all jets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...blocks.constituents import Constituents, Padded
from ...blocks.mapped import forget, new_array
from ...method import Need
from ...sample import Sample
from ...training.device import pick_device
from ...training.engine import one_thread, seeded, train
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights
from ..outliers.reconstruction import JetOutliers, ReconstructionHyper

__all__ = ["JetNetworkHyper", "JetNetworks"]

_ROWS = 4096
_VALIDATION = 10  # every so many-th event


@dataclass(frozen=True)
class JetNetworkHyper(ReconstructionHyper):
    """Hyperparameters that all such detectors have.

    Attributes
    ----------
    particles : int
        Constituents of a jet that are read: the first of the column.
    training : TrainingHyper
        How the network is trained; the jets of every tenth event validate it.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    particles: int = 100
    training: TrainingHyper = field(default_factory=TrainingHyper)
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(particles=self.particles >= 1)


HyperT = TypeVar("HyperT", bound=JetNetworkHyper)
NetworkT = TypeVar("NetworkT", bound=nn.Module)


class JetNetworks(JetOutliers[HyperT, Padded, NetworkT], Generic[HyperT, NetworkT]):
    """A network of the constituents of a jet, learnt from the jets of all events together.

    A subclass brings the network, what it is shown of a jet, a loss and a score. What it is shown
    is computed once, some jets at a time, and lies in a memory map where it is large; scoring keeps
    nothing. Jets are dense arrays with a mask and not the flat graphs of PyTorch Geometric: they have
    some tens of constituents, on which a matrix product of padded rows is faster than gathering and
    scattering edges, and the same code runs on every device without an extension to compile.
    """

    needs: tuple[Need, ...] = ("constituents",)
    shared: ClassVar[bool] = True

    @abstractmethod
    def _untrained(self) -> NetworkT:
        """Return a network with its initial weights."""

    @abstractmethod
    def _seen(self, jets: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network is shown of padded jets, normalised: one row a jet."""

    @abstractmethod
    def _losses(self, network: NetworkT, jets: Tensor) -> Tensor:
        """Return the loss of each jet in training."""

    @abstractmethod
    def _scores(self, network: NetworkT, jets: Tensor) -> Tensor:
        """Return how anomalous each jet is."""

    def _begin(self, network: NetworkT, jets: NDArray[np.float32]) -> None:
        """Set what the network is given of the training jets as a whole, from a part of them."""

    def _part(self) -> int | None:
        """Return how many jets of a batch are learnt from at a time on a CPU; all by default."""
        return None

    def inputs_of(self, data: Sample) -> Sample:
        """Return the constituents alone; see :meth:`Method.inputs_of`."""
        nothing = np.empty((len(data), 0), np.float32)
        return replace(data, features=nothing, names=(), blocks=self._constituents(data))

    def _prepare(self, data: Sample) -> None:
        self._names, self._blocks = data.names, tuple(self._constituents(data))

    def _jets(self, data: Sample) -> dict[str, Padded]:
        found = self._constituents(self._sorted(data))
        return {name: found[name].padded(self.hyper.particles) for name in self._blocks}

    def _constituents(self, data: Sample) -> dict[str, Constituents]:
        found = data.blocks_of("constituents", method=self.name)
        return {
            name: block.normalised()
            for name, block in found.items()
            if isinstance(block, Constituents)
        }

    def _together(self, jets: Sequence[Padded]) -> Padded:
        block = jets[0].block
        for other in jets[1:]:
            block = block.beside(other.block)
        return block.padded(self.hyper.particles)

    def _learn(self, x: Padded, *, weight: NDArray[np.float64] | None, seed: int) -> NetworkT:
        with seeded(seed):
            network = self._untrained()
        seen = self._all_seen(x)
        self._begin(network, seen)
        # The jets of an event are learnt together or not: here are the first jets of all, then the second.
        event = np.arange(len(x)) % (len(x) // len(self._blocks))
        check = event % _VALIDATION == 0
        train(
            network,
            self._losses,
            [seen],
            train=~check,
            validation=check,
            hyper=self.hyper.training,
            seed=seed,
            device=self.hyper.device,
            weight=weight,
            part=self._part(),
        )
        return network

    def _all_seen(self, x: Padded) -> NDArray[np.float32]:
        """Return what the network is shown of all jets; a memory map where it is large."""
        shape = self._seen(x[:1]).shape[1:]
        seen = new_array((len(x), *shape), np.float32)
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            seen[rows] = self._seen(x[rows])
            forget(seen)
        return seen

    def _errors(self, model: NetworkT, x: Padded) -> NDArray[np.float32]:
        device = pick_device(self.hyper.device)
        errors = np.empty(len(x), np.float32)
        model.to(device)
        with torch.no_grad(), one_thread():
            for start in range(0, len(x), _ROWS):
                rows = slice(start, start + _ROWS)
                seen = torch.as_tensor(self._seen(x[rows]), device=device)
                errors[rows] = self._scores(model, seen).cpu().numpy()
        model.cpu()
        return errors

    def _model_arrays(self, model: NetworkT) -> dict[str, NDArray[Any]]:
        return weights_of(model)

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> NetworkT:
        return with_weights(self._untrained(), arrays)
