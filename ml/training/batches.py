"""Batches of events for a training: gathered some at a time, and taken apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checkpoints import Rows, rows_of

__all__ = ["Batches", "parts_of"]

_BLOCK_ROWS = 131_072  # rows gathered at once: few enough to stay small, enough to cost no time
_BLOCK_BYTES = 64 * 2**20  # of these in single precision


class Batches:
    """Rows of columns as tensors on a device, gathered in blocks that hold many batches.

    Parameters
    ----------
    columns : sequence of ndarray, shape (n_events, ...)
        Arrays, or what gives rows by index as these do.
    weight : ndarray, shape (n_events,), optional
        Event weights.
    scale : float
        What they are divided by.
    device : torch.device
        Where the batches lie.
    part : int, optional
        Rows of a batch that are sent through a module at a time, if that is a CPU.
    """

    def __init__(
        self,
        columns: Sequence[Rows],
        weight: NDArray[Any] | None,
        scale: float,
        device: torch.device,
        *,
        part: int | None = None,
    ) -> None:
        self.columns, self.weight, self.scale, self.device = columns, weight, scale, device
        self.part = part if device.type == "cpu" else None
        self.row_bytes = sum(4 * math.prod(column.shape[1:]) for column in columns)

    def shuffled(
        self, rows: NDArray[np.int64], steps: int
    ) -> Iterator[tuple[tuple[Tensor, ...], Tensor | None]]:
        """Yield batch after batch of these rows, with weights of mean 1, or None for no weights."""
        edges = np.linspace(0, len(rows), steps + 1).round().astype(np.int64)
        most = min(_BLOCK_ROWS, _BLOCK_BYTES // self.row_bytes)
        per_block = max(1, most * steps // len(rows))
        for first in range(0, steps, per_block):
            inside = edges[first : first + per_block + 1]
            index = rows[inside[0] : inside[-1]]
            block = [self._tensor(rows_of(column, index)) for column in self.columns]
            w = None if self.weight is None else self._tensor(self.weight[index] / self.scale)
            lengths = np.diff(inside).tolist()
            parts = zip(*(column.split(lengths) for column in block), strict=True)
            weights = [None] * len(lengths) if w is None else w.split(lengths)
            yield from zip(parts, weights, strict=True)

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        values = np.asarray(values)
        if values.dtype.kind == "f":
            values = values.astype(np.float32, copy=False)
        return torch.as_tensor(values, device=self.device)


def parts_of(
    batch: tuple[Tensor, ...], weight: Tensor | None, most: int | None
) -> Iterator[tuple[tuple[Tensor, ...], Tensor | None]]:
    """Yield a batch and its weights in parts of about equal size, of at most so many rows.

    Examples
    --------
    >>> [len(x) for (x,), _ in parts_of((torch.zeros(10, 2),), None, 4)]
    [4, 4, 2]
    """
    n = len(batch[0])
    size = n if most is None else math.ceil(n / math.ceil(n / most))
    weights = repeat(None) if weight is None else weight.split(size)
    for *some, w in zip(*(column.split(size) for column in batch), weights, strict=False):
        yield tuple(some), w
