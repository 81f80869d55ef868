"""Corrections from a correctionlib file, by name, with inputs by the names that the file uses."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from correctionlib import CorrectionSet
from numpy.typing import NDArray

from ...core import ConfigError, InputError, nearest_names
from ...core.identity import hex_digest
from ..sources.remote import read_bytes

__all__ = ["CorrectionFile"]

_GZIP = b"\x1f\x8b"


class CorrectionFile:
    """The corrections in a file of correctionlib, plain (``.json``) or by gzip (``.json.gz``).

    Such files are made by the CMS collaboration for its jets (`JSON-POG
    <https://cms-nanoaod-integration.web.cern.ch/commonJSONSFs/>`_: ``fatJet_jerc.json.gz``).

    Parameters
    ----------
    path : str
        A path or any fsspec URL.

    Raises
    ------
    InputError
        If the file cannot be read, or is not one of correctionlib's.

    Attributes
    ----------
    path : str
        Where it is.
    digest : str
        Sixteen hexadecimal digits that name its content.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        content = read_bytes(path)
        self.digest = hex_digest(content)
        try:
            text = gzip.decompress(content) if content.startswith(_GZIP) else content
            self._set: Any = CorrectionSet.from_string(text.decode())
        except (RuntimeError, ValueError, OSError, EOFError, zlib.error) as error:
            msg = f"{path}: not a file of correctionlib, schema version 2 ({error})"
            raise InputError(msg) from None

    @classmethod
    @lru_cache(maxsize=8)  # a worker reads a file once, not once a chunk
    def cached(cls, path: str, digest: str) -> CorrectionFile:
        """Return the file with this content.

        Raises
        ------
        InputError
            If the file cannot be read, or has another content by now.
        """
        file = cls(path)
        if file.digest != digest:
            msg = f"{path}: has changed since the run began; start it again, or restore the file"
            raise InputError(msg)
        return file

    def inputs(self, name: str, known: Collection[str]) -> frozenset[str]:
        """Return the names of the inputs of a correction.

        Parameters
        ----------
        name : str
            Of a correction, or of a compound one (several applied one after the other).
        known : collection of str
            The inputs that can be given.

        Raises
        ------
        ConfigError
            If there is no such correction, or if it needs what cannot be given.
        """
        needed = [variable.name for variable in self._find(name).inputs]
        if unknown := [variable for variable in needed if variable not in known]:
            msg = (
                f"{self.path}: {name} needs the input {unknown[0]!r}, which is not known here; "
                f"known are {', '.join(sorted(known))}"
            )
            raise ConfigError(msg)
        return frozenset(needed)

    def evaluate(self, name: str, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return a correction for arrays of inputs, or numbers or words that stand for all.

        Parameters
        ----------
        name : str
            Of the correction.
        values : mapping of str to array, shape (n,), or one value
            By the name of the input; more than is needed is ignored.

        Raises
        ------
        InputError
            If an input is outside the range of the correction.
        """
        correction = self._find(name)
        inputs = [values[variable.name] for variable in correction.inputs]
        try:
            result = np.asarray(correction.evaluate(*inputs), dtype=np.float64)
            if np.isfinite(result).all():
                return result
            problem: object = "not finite"
        except (RuntimeError, IndexError, ValueError) as error:
            problem = error
        asked = ", ".join(
            f"{variable.name} {_range(value)}"
            for variable, value in zip(correction.inputs, inputs, strict=True)
        )
        msg = f"{self.path}: {name} has no value for {asked} ({problem})"
        raise InputError(msg)

    def _find(self, name: str) -> Any:
        simple, compound = list(self._set), list(self._set.compound)
        if name in simple:  # "in self._set" raises where the name is not
            return self._set[name]
        if name in compound:
            return self._set.compound[name]
        msg = f"{self.path}: no correction {name!r}: {nearest_names(name, [*simple, *compound])}"
        raise ConfigError(msg)


def _range(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size:
        return f"{value.min():g} to {value.max():g}"
    return repr(value)
