"""Taggers among the features of a processor: ``features: [tau21, {tag: file.onnx}]``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError
from ...core.files.file_errors import is_missing
from .declaration import Declaration

__all__ = ["JetScorer", "tagger_of"]

_TAKEN = ("event", "jet", "label", "weight", "mjj", "pt", "eta", "phi", "mass")  # of other columns


@runtime_checkable
class JetScorer(Protocol):
    """What computes a feature of jets from others."""

    name: str
    declaration: Declaration

    def settings(self) -> dict[str, Any]:
        """Return what its scores depend on beside the features, as plain JSON values."""
        ...

    def score(self, columns: Mapping[str, Any], /) -> NDArray[np.float32]:
        """Return the score of each jet, shape (n_jets,), of its features by name."""
        ...


def tagger_of(option: Mapping[str, Any]) -> JetScorer:
    """Return the tagger that an entry of ``features`` names: ``{tag: file.onnx}``.

    Parameters
    ----------
    option : mapping
        ``tag``, the file; ``name`` of the column, by default the file's; and what the file does not
        say of itself: keys of `Declaration`.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is not what is declared.

    Examples
    --------
    >>> tagger_of({"tag": "none.onnx"})
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: none.onnx: no such file of a tagger
    """
    values = {str(key): value for key, value in option.items()}
    file = values.pop("tag", None)
    if not isinstance(file, str):
        msg = f"{dict(option)!r} among the features is neither a name nor {{tag: FILE.onnx}}"
        raise ConfigError(msg)
    path = Path(file).expanduser()
    name = values.pop("name", path.stem)
    if not isinstance(name, str) or not name.isidentifier():
        msg = f"{file}: {name!r} cannot be the name of a column; give it a word by 'name'"
        raise ConfigError(msg)
    if name in _TAKEN:
        msg = f"{file}: {name!r} is another column already; give the score another 'name'"
        raise ConfigError(msg)
    try:
        content = path.read_bytes()
    except OSError as error:
        why = (
            "no such file of a tagger"
            if is_missing(error)
            else f"cannot be read ({error.strerror})"
        )
        msg = f"{file}: {why}"
        raise ConfigError(msg) from None
    from .onnx_model import OnnxTagger  # noqa: PLC0415 - coffea's wrappers import torch

    return OnnxTagger(name, file, content, values)
