"""Checkpoints: the state of a training after an epoch, from which an interrupted one goes on."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core import InputError
from ...core.files.file_errors import is_missing
from ...core.records import atomic_file
from ..blocks.mapped import gathered

__all__ = [
    "Progress",
    "Rows",
    "State",
    "fingerprint",
    "load_checkpoint",
    "read_tensors",
    "rows_of",
    "save_checkpoint",
    "write_tensors",
]

State = dict[str, Tensor]


class Rows(Protocol):
    """Events of a column, read where they are: an array, or what gives rows as arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole column."""
        ...

    def __len__(self) -> int:
        """Return the number of events."""
        ...

    def __getitem__(self, which: Any, /) -> Any:
        """Return some events as an array."""
        ...


def rows_of(column: Rows, which: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows of a column; those that are no arrays see themselves to how much they map."""
    return gathered(column, which) if isinstance(column, np.ndarray) else column[which]


@dataclass
class Progress:
    """What a training has done so far.

    Attributes
    ----------
    train_loss, validation_loss : list of float
        One an epoch.
    kept : list of (float, int, dict of Tensor)
        Rank, epoch and state of the epochs that are kept; the lowest rank comes first.
    """

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    kept: list[tuple[float, int, State]] = field(default_factory=list)

    def is_stuck(self, patience: int) -> bool:
        """Return whether the last ``patience`` epochs brought no better validation loss."""
        if not patience or not self.validation_loss:
            return False
        best = int(np.argmin(self.validation_loss))
        return len(self.validation_loss) - 1 - best >= patience


def fingerprint(module: torch.nn.Module, values: Sequence[Rows], hyper: Any, seed: int) -> str:
    """Return a digest that identifies a training.

    Parameters
    ----------
    module : torch.nn.Module
        The shapes and the initial values of its parameters count.
    values : sequence of ndarray, shape (n_events, ...)
        Rows and columns; a thousand rows of each count.
    hyper : dataclass
        Hyperparameters.
    seed : int
        The seed of the training.
    """
    checksum = 0
    for value in values:
        some = rows_of(value, np.arange(0, len(value), max(1, len(value) // 1000)))
        checksum = zlib.crc32(some.tobytes(), checksum)
    for parameter in module.parameters():
        checksum = zlib.crc32(parameter.detach().cpu().numpy().tobytes(), checksum)
    shapes = {name: list(value.shape) for name, value in module.state_dict().items()}
    lengths = [len(value) for value in values]
    return json.dumps([asdict(hyper), seed, checksum, lengths, shapes], sort_keys=True)


def save_checkpoint(
    path: str | os.PathLike[str],
    key: str,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write a training's state, atomically; ``key`` is its :func:`fingerprint`."""
    content = {
        "key": key,
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "train_loss": progress.train_loss,
        "validation_loss": progress.validation_loss,
        "kept": progress.kept,
    }
    write_tensors(path, content)


def write_tensors(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically; :func:`read_tensors` reads them."""
    buffer = io.BytesIO()  # of a full disk torch's own writer says what nobody understands
    torch.save(content, buffer)
    with atomic_file(path) as file:
        file.write(buffer.getbuffer())


def _refuse_damage(path: str | os.PathLike[str]) -> None:
    """Compare an archive with its checksums, at which torch does not look."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        msg = f"{damaged} is damaged"
        raise ValueError(msg)


def read_tensors(
    path: str | os.PathLike[str], *keys: str, what: str, remedy: str
) -> dict[str, Any]:
    """Return what ``torch.save`` wrote, of tensors and plain values alone: no code of it is run.

    Parameters
    ----------
    path : path-like
        The file.
    *keys : str
        What must be in it.
    what, remedy : str
        What the file should be, and what to do where it is not, for the message.

    Raises
    ------
    InputError
        If it is something else, or damaged.
    """
    try:
        _refuse_damage(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        for key in keys:
            _ = content[key]
    except (
        RuntimeError,
        OSError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        why = (str(error).splitlines() or ["it ends too early"])[0]
        if isinstance(error, pickle.UnpicklingError):  # of which torch says how to run the code
            why = "it holds more than tensors and plain values, and is not read"
        is_no = "no such file" if is_missing(error) else f"not {what} ({why})"
        msg = f"{path}: {is_no}; {remedy}"
        raise InputError(msg) from None
    return content


def load_checkpoint(
    path: str | os.PathLike[str],
    key: str,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> Progress:
    """Read back what :func:`save_checkpoint` wrote, into a module and its optimizer.

    Raises
    ------
    InputError
        If the file is no checkpoint, or one of a training with another ``key``.
    """
    content = read_tensors(path, "key", what="a checkpoint", remedy="remove it to start anew")
    if content["key"] != key:
        msg = (
            f"{path}: this checkpoint belongs to a training with other events, hyperparameters or "
            "seed; remove it to start anew, or give another path"
        )
        raise InputError(msg)
    module.load_state_dict(content["module"])
    optimizer.load_state_dict(content["optimizer"])
    return Progress(content["train_loss"], content["validation_loss"], content["kept"])
