"""Arrays by their names, and as files of what a long task has done; damaged ones are made again."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .records import atomic_file

__all__ = ["read_arrays", "within", "write_arrays"]

logger = logging.getLogger(__name__)


def write_arrays(path: str | os.PathLike[str], **arrays: Any) -> None:
    """Write arrays by their names into one file, atomically; its format has checksums (npz).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_arrays(f"{folder}/a.npz", scores=np.ones(2))
    ...     read_arrays(f"{folder}/a.npz")
    {'scores': array([1., 1.])}
    """
    with atomic_file(path) as file:
        np.savez(file, **{name: np.asarray(value) for name, value in arrays.items()})  # pyright: ignore[reportArgumentType]


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a file by their names; None where there are none that can be used.

    What is damaged is said to be made again, which is up to the caller.
    """
    try:
        with Path(path).open("rb") as file, np.load(file) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # noqa: BLE001 - damaged bytes raise whatever the decoders choose
        logger.warning("%s: damaged, and is made again (%s)", path, error or type(error).__name__)
        return None


def within(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin with a prefix, without it: what one part has learnt.

    Examples
    --------
    >>> within({"flow.weight": np.zeros(2), "names": np.array(["a"])}, "flow.")
    {'weight': array([0., 0.])}
    """
    return {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}
