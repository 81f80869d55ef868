"""Taggers as files: tensors and plain values, of which reading runs no code."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from ...core import InputError, OverdensityError
from ..classifiers.taggers.tagger_ensemble import TaggerEnsemble
from ..hyperparameters import as_configured
from ..training.checkpoints import read_tensors, write_tensors
from .tagger import Tagger, tagger_hyper

__all__ = ["load_tagger", "save_tagger"]

_SCHEMA = 1
_TEXT = ("jets",)  # arrays of names, which are no tensors


def save_tagger(path: str | os.PathLike[str], tagger: Tagger) -> None:
    """Write a tagger, atomically.

    Parameters
    ----------
    path : path-like
        The file.
    tagger : Tagger
        The tagger.
    """
    arrays = tagger.ensemble.arrays()
    content = {
        "schema": _SCHEMA,
        "version": version("overdensity"),
        "kind": tagger.kind,
        "hyper": json.dumps(as_configured(tagger.hyper)),
        "names": list(tagger.names),
        "text": {name: [str(each) for each in arrays[name]] for name in _TEXT},
        "arrays": {
            name: torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape))
            for name, value in arrays.items()
            if name not in _TEXT
        },
        "event": torch.from_numpy(tagger.event.view(np.int64)),
    }
    write_tensors(path, content)


def load_tagger(path: str | os.PathLike[str]) -> Tagger:
    """Read a tagger.

    Raises
    ------
    InputError
        If the file is missing, is no tagger, or one of another schema or network.
    """
    content: dict[str, Any] = read_tensors(
        path,
        "schema",
        "kind",
        "arrays",
        what="a tagger",
        remedy="give a file of 'overdensity tag train'",
    )
    if content["schema"] != _SCHEMA:
        msg = (
            f"{path}: a tagger of schema {content['schema']}, and this version of overdensity reads "
            f"schema {_SCHEMA}; train it again with 'overdensity tag train'"
        )
        raise InputError(msg)
    try:
        kind = str(content["kind"])
        hyper = tagger_hyper(kind, json.loads(content["hyper"]))
        arrays = {name: value.numpy() for name, value in content["arrays"].items()}
        arrays |= {name: np.array(value) for name, value in content["text"].items()}
        ensemble = TaggerEnsemble.from_arrays(arrays, hyper=hyper)
        event = content["event"].numpy().view(np.uint64)
        return Tagger(kind, hyper, ensemble, tuple(content["names"]), event)
    except (
        OverdensityError,
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        why = (str(error).splitlines() or ["it holds something else"])[0]
        msg = f"{path}: not the weights of the network that it names ({why}); train it again"
        raise InputError(msg) from None
