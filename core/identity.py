"""Identifiers of events, files and settings: splitmix64, event ids, and digests of contents.

An id decides the fold of an event, and with it every result: the formulae of this file are part of
the format of the columns, and do not change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

__all__ = [
    "GOLDEN",
    "MEANING",
    "content_ids",
    "content_ids_of_lists",
    "hex_digest",
    "integer_digest",
    "json_digest",
    "keyed",
    "mix64",
    "no_feature",
    "number_ties",
    "refuse_not_finite",
    "row_ids",
    "splitmix64",
    "text_digest",
    "whole_numbers",
]

MEANING = ("event", "weight", "label", "group")
"""Columns that say what an event is to count for, and not how it looks."""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: the step of splitmix64


def no_feature(names: Iterable[str]) -> str:
    """Return what is wrong with the first name that is no feature of an event; nothing if all are.

    A model that is shown the label learns the answer, and one that is shown the id or the weight
    learns how the events were made.

    Examples
    --------
    >>> no_feature(["mass", "label"])
    "'label' is no feature, but the label of each event; leave it out"
    >>> no_feature(["mass"])
    ''
    """
    wrong = [name for name in names if name in MEANING]
    return (
        f"{wrong[0]!r} is no feature, but the {wrong[0]} of each event; leave it out"
        if wrong
        else ""
    )


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


def content_ids(*columns: NDArray[Any]) -> NDArray[np.uint64]:
    """Return 64-bit ids of events by what they hold: the hash of one number after the other.

    Neither files, their order and names, chunks nor workers enter, and so they do not enter into a
    cross-validation fold made from an id. Equal events have equal ids (:func:`number_ties`).

    Parameters
    ----------
    *columns : ndarray of numbers, shape (n_events,)
        In a fixed order; numbers of single precision count as their equals of double precision.

    Returns
    -------
    ndarray of uint64, shape (n_events,)

    Examples
    --------
    >>> mass, pt = np.array([3100.5, 2800.0]), np.array([900.0, 1200.0])
    >>> np.array_equal(content_ids(mass, pt)[::-1], content_ids(mass[::-1], pt[::-1]))
    True
    """
    ids = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        numbers = np.asarray(column, dtype=np.float64) + 0.0  # of the two zeros, the positive one
        ids = splitmix64(ids ^ numbers.view(np.uint64))
    return ids


def content_ids_of_lists(
    counts: NDArray[np.integer[Any]], *columns: NDArray[Any]
) -> NDArray[np.uint64]:
    """Return ids of events by the lists of objects that they hold, rounded to single precision.

    Parameters
    ----------
    counts : ndarray of int, shape (n_events,)
        How many objects each event has.
    *columns : ndarray of numbers, shape (sum of counts,)
        Numbers of the objects, event by event.

    Returns
    -------
    ndarray of uint64, shape (n_events,)

    Examples
    --------
    >>> ids = content_ids_of_lists(np.array([2, 0, 2]), np.array([40.0, 30.0, 30.0, 40.0]))
    >>> len(set(ids.tolist()))
    3
    """
    counts = np.asarray(counts, np.int64)
    ends = np.cumsum(counts)
    place = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    words = [place.astype(np.uint64)]
    words += [(column.astype(np.float32) + np.float32(0)).view(np.uint32) for column in columns]
    objects = np.zeros(len(place), np.uint64)
    for i, word in enumerate(words):  # two words of 32 bits at a time
        objects ^= word if i % 2 == 0 else word.astype(np.uint64) << np.uint64(32)
        if i % 2 or i == len(words) - 1:
            objects = splitmix64(objects)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(objects, dtype=np.uint64)])
    return splitmix64((total[ends] - total[ends - counts]) ^ counts.astype(np.uint64))


def number_ties(ids: NDArray[np.uint64], *order: NDArray[Any]) -> NDArray[np.uint64]:
    """Give events of one id ids of their own: the first keeps it, the others get a running number.

    Parameters
    ----------
    ids : ndarray of uint64, shape (n_events,)
        Ids by content.
    *order : ndarray, shape (n_events,)
        By which events of one id are numbered, the first first; where all are equal, as they come.

    Returns
    -------
    ndarray of uint64, shape (n_events,)

    Examples
    --------
    >>> ids, feature = np.array([5, 7, 5], np.uint64), np.array([0.3, 0.1, 0.2])
    >>> (number_ties(ids, feature) == ids).tolist()
    [False, True, True]
    """
    rows = np.lexsort((*order[::-1], ids))
    new = np.ones(len(ids), np.bool_)
    new[1:] = ids[rows[1:]] != ids[rows[:-1]]
    place = np.arange(len(ids))
    running = place - np.maximum.accumulate(np.where(new, place, 0))
    numbered = ids.copy()
    later = rows[running > 0]
    numbered[later] = splitmix64(ids[later] ^ splitmix64(running[running > 0].astype(np.uint64)))
    return numbered


def row_ids(table: str, start: int, stop: int) -> NDArray[np.uint64]:
    """Make ids for the rows of a table in memory, from its name and the row number.

    Parameters
    ----------
    table : str
        What the rows are, such as a pseudo-dataset of a seed; events of files have ids by content.
    start, stop : int
        The range of rows.

    Returns
    -------
    ndarray of uint64, shape (stop - start,)
    """
    return keyed(np.arange(start, stop, dtype=np.uint64), table)


def keyed(ids: NDArray[np.uint64], key: str) -> NDArray[np.uint64]:
    """Return numbers that ids have under a key: independent of those under another.

    Examples
    --------
    >>> ids = np.arange(3, dtype=np.uint64)
    >>> bool(np.any(keyed(ids, "folds") == keyed(ids, "ties")))
    False
    """
    return splitmix64(splitmix64(ids) ^ np.uint64(text_digest(key)))


_KINDS = 127  # of signal; labels are int8


def whole_numbers(values: NDArray[Any], name: str, where: str = "") -> NDArray[Any]:
    """Return the values of ``event``, ``label`` or ``group``, refused where they are none of these.

    Parameters
    ----------
    values : ndarray, shape (n_events,)
        Ids and groups are whole numbers; labels 0, for background, or the number of a kind of signal.
    name : str
        Which of them they are.
    where : str
        What the message begins with.

    Raises
    ------
    InputError
        If a value is another one: it would silently become a wrong id or a wrong truth.

    Examples
    --------
    >>> whole_numbers(np.array([1.0, 0.5]), "event")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: column 'event': 1 of 2 values, the first 0.5, are not a whole...
    """
    if name == "label":
        bad = ~((values >= 0) & (values <= _KINDS)) | (values != np.floor(values))
        wanted = f"0 (background) or 1 to {_KINDS} (kinds of signal)"
    elif values.dtype.kind == "f":  # beyond 2^53, neighbours are one real number
        bad = ~(np.abs(values) < 2**53) | (values != np.floor(values))
        wanted = "a whole number below 2^53, or stored as an integer"
    else:
        return values
    if bad.any():
        msg = (
            f"{where}column {name!r}: {int(np.count_nonzero(bad))} of {len(values)} values, the first "
            f"{values[bad][0]:g}, are not {wanted}; repair the column or drop it"
        )
        raise InputError(msg)
    return values


def refuse_not_finite(values: NDArray[Any], name: str, where: str = "") -> None:
    """Raise an InputError that counts the values of a column which are NaN or infinite.

    Examples
    --------
    >>> refuse_not_finite(np.array([1.0, np.nan]), "'met'")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: column 'met': 1 of 2 values are NaN or infinite; remove these...
    """
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        msg = (
            f"{where}column {name}: {bad} of {len(values)} values are NaN or infinite; "
            "remove these events or repair the column"
        )
        raise InputError(msg)


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
