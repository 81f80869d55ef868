"""Identifiers of events, files and settings: splitmix64, event ids, and digests of contents.

An id decides the fold of an event, and with it every result: the formulae of this file are part of
the format of the columns, and do not change.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GOLDEN",
    "event_ids",
    "hex_digest",
    "integer_digest",
    "json_digest",
    "mix64",
    "row_ids",
    "splitmix64",
    "text_digest",
]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: the step of splitmix64


def mix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers, one to one: the finaliser of SplitMix64.

    Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
    (doi:10.1145/2660193.2660195), figure 15. It leaves 0 as it is.

    Parameters
    ----------
    values : ndarray of uint64
        Any shape.

    Returns
    -------
    ndarray of uint64
        The same shape.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def splitmix64(states: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return what the generator SplitMix64 gives next from each state.

    Neighbouring states give independent numbers, and different states different ones.

    Parameters
    ----------
    states : ndarray of uint64
        Any shape.

    Returns
    -------
    ndarray of uint64
        The same shape.

    Examples
    --------
    >>> [f"{number:x}" for number in splitmix64(np.arange(2, dtype=np.uint64))]
    ['e220a8397b1dcdaf', '910a2dec89025cc1']
    """
    return mix64(np.asarray(states, dtype=np.uint64) + GOLDEN)


def event_ids(identity: int, entries: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return the 64-bit ids of the entries of an event file: the stream of SplitMix64.

    Within a file no two are equal, because every step is one to one. An id depends on neither
    folders, chunks, file order nor workers, and so neither does a cross-validation fold made from
    it.

    Parameters
    ----------
    identity : int
        What names the content of the file, the state that the stream starts from.
    entries : ndarray of int, shape (n_events,)
        Positions in the file.

    Returns
    -------
    ndarray of uint64, shape (n_events,)
    """
    return splitmix64(np.uint64(identity) + entries.astype(np.uint64) * GOLDEN)


def row_ids(table: str, start: int, stop: int) -> NDArray[np.uint64]:
    """Make ids for the rows of a table that has none, from its name and the row number.

    Parameters
    ----------
    table : str
        Name of the file, without its folder: moving the data does not change the folds.
    start, stop : int
        The range of rows.

    Returns
    -------
    ndarray of uint64, shape (stop - start,)
    """
    rows = np.arange(start, stop, dtype=np.uint64)
    return splitmix64(splitmix64(rows) ^ np.uint64(text_digest(table)))


def integer_digest(*contents: bytes) -> int:
    """Return 64 bits that name contents, one after the other (BLAKE2b, little-endian)."""
    return int.from_bytes(_blake2b(contents, 8), "little")


def text_digest(text: str) -> int:
    """Return 64 bits that name a text: the key of a division into folds, or of a random stream."""
    return integer_digest(text.encode())


def hex_digest(*contents: bytes, size: int = 8) -> str:
    """Return a name for contents, one after the other: two hexadecimal digits for each byte.

    Parameters
    ----------
    *contents : bytes
        What is named.
    size : int
        Bytes of the name.

    Examples
    --------
    >>> hex_digest(b"columns", size=4)
    'f0fce056'
    """
    return _blake2b(contents, size).hex()


def json_digest(value: Any, *, size: int = 8) -> str:
    """Return a name for plain JSON values: the order of the keys does not matter.

    What JSON does not know counts as its text.

    Examples
    --------
    >>> json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1})
    True
    """
    return hex_digest(json.dumps(value, sort_keys=True, default=str).encode(), size=size)


def _blake2b(contents: tuple[bytes, ...], size: int) -> bytes:
    digest = hashlib.blake2b(digest_size=size)
    for content in contents:
        digest.update(content)
    return digest.digest()
