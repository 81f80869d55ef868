"""What a network makes of many events: their errors, some rows at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .checkpoints import Rows
from .device import pick_device
from .engine import one_thread

__all__ = ["errors_of"]


def errors_of(network: Any, x: Rows, *, device: str, rows: int = 1024) -> NDArray[np.float32]:
    """Return the error of each event, shape (n_events,).

    Parameters
    ----------
    network : Module
        With ``errors(batch)``, shape (n_rows,); left on the CPU, in evaluation mode.
    x : array of shape (n_events, ...)
        Events.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    rows : int
        Events at once.

    Examples
    --------
    >>> class Norm(torch.nn.Module):
    ...     def errors(self, x):
    ...         return x.square().sum(dim=1)
    >>> errors_of(Norm(), np.float32([[3, 4], [0, 2]]), device="cpu")
    array([25.,  4.], dtype=float32)
    """
    on = pick_device(device)
    errors = np.empty(len(x), np.float32)
    network.to(on).eval()
    with torch.no_grad(), one_thread():
        for start in range(0, len(x), rows):
            some = slice(start, start + rows)
            errors[some] = network.errors(torch.as_tensor(x[some], device=on)).cpu().numpy()
    network.cpu()
    return errors
