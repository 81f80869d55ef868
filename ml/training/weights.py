"""The weights of a network as plain arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

__all__ = ["weights_of", "with_weights"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def weights_of(network: nn.Module, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return the weights of a network by name, after a prefix.

    Examples
    --------
    >>> sorted(weights_of(torch.nn.Linear(2, 1), "flow."))
    ['flow.bias', 'flow.weight']
    """
    return {
        f"{prefix}{name}": value.detach().cpu().numpy()
        for name, value in network.state_dict().items()
    }


def with_weights(network: ModuleT, arrays: Mapping[str, NDArray[Any]]) -> ModuleT:
    """Return the network, which takes over what :func:`weights_of` returned, in evaluation mode.

    Examples
    --------
    >>> one, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    >>> bool((with_weights(other, weights_of(one)).weight == one.weight).all())
    True
    """
    state = {name: torch.from_numpy(np.asarray(value)) for name, value in arrays.items()}
    network.load_state_dict(state)
    return network.eval()
