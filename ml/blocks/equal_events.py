"""The same events twice in files of columns, whatever their names and ids are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core import InputError
from ...core.identity import content_ids, content_ids_of_lists
from .reading import ColumnFiles

__all__ = [
    "refuse_equal_events",
    "refuse_equal_rows",
    "refuse_repeated_ids",
    "refuse_shared_events",
]

_NEIGHBORS = 10  # in mass, on one side
_CORRELATED = 10  # times more equal events than independent columns would have are still chance
_SIGMA = 5
# Rank correlation above which a column is one of the mass: a factor 7 for normal columns.
_FOLLOWS = 0.99
_STEPS = 10


def refuse_repeated_ids(files: ColumnFiles, ids: NDArray[np.uint64]) -> None:
    """Raise an InputError if an id occurs more than once, with the names of the files.

    Parameters
    ----------
    files : ColumnFiles
        Where the events are from, in this order.
    ids : ndarray of uint64, shape (n_events,)
        Their ids.
    """
    first, later = _repeated(ids)
    if not len(later):
        return
    msg = (
        f"{_names(files, first, later)}: {len(later)} event ids occur more than once, as of overlapping "
        "datasets, with events of equal run, luminosity block and event; give each event once. "
        "Where the ids of each file start anew, drop the column 'event'"
    )
    raise InputError(msg)


def refuse_equal_events(
    files: ColumnFiles, mass: NDArray[np.float64], features: NDArray[np.float32]
) -> None:
    r"""Raise an InputError if more events are equal than chance can make, with the names of the files.

    Equal are events with the same mass, the same features and the same momenta of jets, as precisely
    as all files store them; where there is no feature of numbers, all columns of numbers and the lists decide. Events
    without a mass above zero are not compared: they have what stands for none. (A feature that stands in the
    place of the mass may have any sign.)

    Of n different events, two are equal by chance in n (n - 1) / 2 p_m p_f cases, where p_m and p_f
    are the shares of pairs that are equal in the mass and in the most telling feature, among all
    events or among those of similar masses. Rounded columns have such events; in numbers of single
    precision they do not occur. A column that follows the mass (a copy of it, rounded or in other units)
    tells nothing that the mass does not: of such pairs there are n (n - 1) / 2 min(p_m, p_f), with shares by
    the density of the values and the steps between them, for after the equal events none may be left.

    Parameters
    ----------
    files : ColumnFiles
        Where the events are from, in this order.
    mass : ndarray, shape (n_events,)
        Their resonant mass in GeV.
    features : ndarray, shape (n_events, n_features)
        Their features of numbers.
    """
    others = sorted(files.compared() - set(files.features))
    if not files.features and not others:
        return
    compared = (mass > 0) | (files.mass in files.features)
    rows = np.flatnonzero(compared)
    columns = [mass[rows].astype(np.float32), *features[rows].T]
    suspects = _members(content_ids(*columns))
    if not suspects.any():
        return
    chosen = np.zeros(len(mass), np.bool_)
    chosen[rows[suspects]] = True
    names = [files.mass, *files.features, *others]
    hashed = [
        _of_column(column, single=_is_single(files, name))
        for name, column in files.of_rows(chosen, names).items()
    ]
    first, later = _repeated(content_ids(*hashed))
    if not len(later):
        return
    different = np.ones(len(rows), np.bool_)
    different[np.flatnonzero(suspects)[later]] = False
    ranks = _ranks(columns[0])
    follows = [abs(np.corrcoef(ranks, _ranks(each))[0, 1]) > _FOLLOWS for each in columns[1:]]
    n, by_mass = len(rows) - len(later), np.argsort(columns[0], kind="stable")
    shares = [
        max(_equal_pairs(each[different]), _equal_neighbors(columns[0][by_mass], each[by_mass]))
        for each, like_mass in zip(columns[1:], follows, strict=True)
        if not like_mass
    ]
    # of the others, what is known is that of events of equal masses
    shares += [_equal_pairs(np.delete(each, later)) for each in hashed[len(columns) :]]
    chances = [n * (n - 1) / 2 * _equal_pairs(columns[0][different]) * each for each in shares]
    if any(follows):
        names = [name for name, like in zip(files.features, follows, strict=True) if like]
        chances.append(_chance_of_following(files, compared, names))
    chance = min(chances)
    if len(later) <= _CORRELATED * chance + _SIGMA * math.sqrt(_CORRELATED * chance):
        return
    places = np.flatnonzero(chosen)
    msg = (
        f"{_names(files, places[first], places[later])}: {len(later)} of {len(mass)} events are equal "
        f"to another in the mass and all {'features' if files.features else 'other columns'}, and "
        "would count twice; a file is a copy, datasets "
        "overlap, or two simulations had one seed: give each event once"
    )
    raise InputError(msg)


def refuse_equal_rows(table: NDArray[Any], files: Sequence[str], of: str) -> None:
    """Raise an InputError if more rows are equal in all columns than chance can make.

    Chance is bounded by the share of pairs that are equal in the most telling column, by the density of
    its values and the steps between them where rows that are equal are equal in all.

    Parameters
    ----------
    table : ndarray, shape (n_rows, n_columns)
        Numbers.
    files : sequence of str
        Where they are from, for the message.
    of : str
        What the rows are.

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(size=(90, 2))
    >>> refuse_equal_rows(x, ["jets.parquet"], "jets")
    >>> refuse_equal_rows(np.concatenate([x, x[:70]]), ["jets.parquet"], "jets")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: jets.parquet: 70 of 160 jets are equal to another in all columns...
    """
    if not len(table):
        return
    rows = content_ids(*table.T)
    _, later = _repeated(rows)
    n, whole = len(table), _equal_pairs(rows)
    chance = (
        n
        * (n - 1)
        / 2
        * min(  # pairs that are equal in a column, and not in all
            max(_equal_pairs(column) - whole, _equal_by_steps(column)) for column in table.T
        )
    )
    if len(later) > _CORRELATED * chance + _SIGMA * math.sqrt(_CORRELATED * chance):
        msg = (
            f"{', '.join(files)}: {len(later)} of {len(table)} {of} are equal to another in all "
            f"columns, and would count twice; give each of the {of} once"
        )
        raise InputError(msg)


def refuse_shared_events(
    ids: Sequence[NDArray[np.uint64]],
    features: Sequence[NDArray[np.float32]],
    names: Sequence[str],
) -> None:
    """Raise an InputError if two samples have more events of one id and equal features than chance makes.

    Ids of simulation may begin anew in each file, and features of few values be equal; both at once are
    the same events. Chance is the number of ids in common times the share of equal pairs in a sample, or
    in the other (Cauchy and Schwarz bound that of pairs between both by the larger).

    Parameters
    ----------
    ids : sequence of ndarray of uint64, shape (n_events,)
        Of two samples.
    features : sequence of ndarray of float32, shape (n_events, n_features)
        Theirs.
    names : sequence of str
        What messages call them.

    Examples
    --------
    >>> ids, x = np.arange(9, dtype=np.uint64), np.linspace(0, 1, 9, dtype=np.float32)[:, None]
    >>> refuse_shared_events([ids, ids], [x, x + 1], ["zz", "higgs"])
    >>> refuse_shared_events([ids, ids[:7]], [x, x[:7]], ["zz", "higgs"])
    Traceback (most recent call last):
    overdensity.core.errors.InputError: zz and higgs: 7 events are the same in both, and would count twice...
    """
    hashed = [content_ids(*each.T) for each in features]
    _, first, second = np.intersect1d(ids[0], ids[1], return_indices=True)
    same = int(np.count_nonzero(hashed[0][first] == hashed[1][second]))
    chance = len(first) * max(_equal_pairs(each) for each in hashed)
    if same > _CORRELATED * chance + _SIGMA * math.sqrt(_CORRELATED * chance):
        msg = (
            f"{names[0]} and {names[1]}: {same} events are the same in both, and would count twice; give "
            "each event to one of them"
        )
        raise InputError(msg)


def _chance_of_following(files: ColumnFiles, events: NDArray[np.bool_], names: list[str]) -> float:
    """Return how many pairs chance makes equal in the mass and in columns that follow it."""
    columns = files.of_rows(events, [files.mass, *names])
    values = [
        each.to_numpy(zero_copy_only=False).astype(np.float32 if _is_single(files, name) else float)
        for name, each in columns.items()
    ]
    n = int(events.sum())
    return n * (n - 1) / 2 * min(_equal_by_steps(each) for each in values)


def _ranks(column: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean ranks of the values, with a little that keeps those of a constant from being one."""
    ordered = np.sort(column)
    ranks = np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right")
    return ranks + np.linspace(0, 1e-6, len(column))


def _equal_by_steps(column: NDArray[np.floating[Any]]) -> float:
    """Return the share of pairs that chance makes equal in rounded values, by pairs a few steps apart."""
    values = np.sort(column.astype(np.float64))
    steps = np.diff(values)
    step = float(np.min(steps[steps > 0], initial=np.inf))
    if not math.isfinite(step):
        return 1.0
    inside = np.searchsorted(values, values + (_STEPS + 0.5) * step, "right")
    pairs = int(np.sum(inside - np.searchsorted(values, values, "right")))
    n = len(values)
    return pairs / _STEPS / max(n * (n - 1) / 2, 1) / 2


def _members(ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which ids occur more than once."""
    found, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    del found
    return counts[inverse] > 1


def _repeated(ids: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each id that was there before where it first was, and where it is."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    later = np.flatnonzero(first[inverse] != np.arange(len(ids)))
    return first[inverse[later]], later


def _equal_pairs(column: NDArray[Any]) -> float:
    """Return the share of pairs of different events that are equal in a column."""
    counts = np.unique(column, return_counts=True)[1].astype(np.float64)
    n = len(column)
    return float(np.sum(counts * (counts - 1)) / max(n * (n - 1), 1))


def _equal_neighbors(mass: NDArray[np.float32], column: NDArray[np.float32]) -> float:
    """Return the share of pairs equal in a column, of events of similar masses that are not equal."""
    equal = pairs = 0
    for k in range(1, min(_NEIGHBORS + 1, len(mass))):
        apart = mass[k:] != mass[:-k]
        pairs += int(np.count_nonzero(apart))
        equal += int(np.count_nonzero(apart & (column[k:] == column[:-k])))
    return equal / max(pairs, 1)


def _is_single(files: ColumnFiles, name: str) -> bool:
    """Return whether a file stores a column in single precision, beside which another is rounded."""
    types = (file.schema_arrow.field(name).type for _, file in files.files)
    return any(pa.types.is_float32(each) or pa.types.is_float16(each) for each in types)


def _of_column(column: pa.Array, *, single: bool) -> NDArray[np.uint64]:
    """Return a hash of each row, a number or a list."""
    if not pa.types.is_nested(column.type):
        values = column.to_numpy(zero_copy_only=False)
        return content_ids(values.astype(np.float32) if single else values)
    if pa.types.is_struct(column.type.value_type):
        offsets = column.offsets.to_numpy().astype(np.int64)
        inside = column.flatten()
        fields = [
            inside.field(each).to_numpy(zero_copy_only=False) for each in ("pt", "eta", "phi")
        ]
        return content_ids_of_lists(np.diff(offsets), *fields)
    pixels = column.flatten().flatten().to_numpy(zero_copy_only=False)
    counts = np.full(len(column), len(pixels) // max(len(column), 1))
    return content_ids_of_lists(counts, pixels)


def _names(files: ColumnFiles, first: NDArray[np.intp], later: NDArray[np.intp]) -> str:
    """Return the names of the two files, or the one, that the first of the repeated events is in."""
    ends = np.cumsum([file.metadata.num_rows for _, file in files.files])
    pair = [files.files[int(np.searchsorted(ends, x[0], side="right"))][0] for x in (first, later)]
    return " and ".join(dict.fromkeys(pair))
