"""What a network makes of many events, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .checkpoints import Rows
from .device import pick_device
from .engine import one_thread

__all__ = ["in_rows"]


NumberT = TypeVar("NumberT", np.float32, np.float64)


def in_rows(
    network: nn.Module,
    made: Callable[..., Tensor],
    *columns: Rows,
    device: str,
    rows: int = 1024,
    part: int | None = None,
    shape: tuple[int, ...] = (),
    dtype: type[NumberT] = np.float32,
) -> NDArray[NumberT]:
    """Return what a network makes of each event, shape (n_events, *shape).

    Parameters
    ----------
    network : Module
        Left on the CPU, in evaluation mode.
    made : callable
        Of the network, or through it: what it makes of a batch of each of the columns.
    *columns : array of shape (n_events, ...)
        Events.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    rows : int
        Events at once.
    part : int, optional
        Events at once on a CPU; see :func:`~overdensity.ml.training.engine.train`.
    shape : tuple of int
        Of what is made of an event; a number by default.
    dtype : type
        In which it is returned, ``numpy.float32`` or ``numpy.float64``.

    Examples
    --------
    >>> halves = torch.nn.Linear(2, 1)
    >>> x = np.float32([[3, 4], [0, 2]])
    >>> in_rows(halves, lambda batch: batch.square().sum(dim=1), x, device="cpu")
    array([25.,  4.], dtype=float32)
    """
    on, n = pick_device(device), len(columns[0])
    found = np.empty((n, *shape), dtype)
    rows = part if part is not None and on.type == "cpu" else rows
    network.to(on).eval()
    with torch.no_grad(), one_thread():
        for start in range(0, n, rows):
            some = slice(start, start + rows)
            batch = [torch.as_tensor(column[some], device=on) for column in columns]
            found[some] = made(*batch).cpu().numpy()
    network.cpu()
    return found
