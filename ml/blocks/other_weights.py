"""Weights that do not count: equal ones, negative ones, and those under another name than ``weight``."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from .columns import is_number, number_column
from .opening import next_rows
from .reading import ColumnFiles

__all__ = ["are_equal", "is_weight", "refuse_other_weights", "refuse_weights"]

_PARTS = "mc|gen|generator|evt|ev|event|total|nominal|xsec|lumi"
_WEIGHT = re.compile(rf"({_PARTS})*(weight|wgt)s?({_PARTS})*")


def is_weight(name: str) -> bool:
    """Return whether a column is called as weights of events are, but not ``weight``.

    Examples
    --------
    >>> names = ("genWeight", "mcEventWeight", "Weight", "weight", "weight_pileup_up", "jet_weight")
    >>> [name for name in names if is_weight(name)]
    ['genWeight', 'mcEventWeight', 'Weight']
    """
    return name != "weight" and _WEIGHT.fullmatch(name.lower().replace("_", "")) is not None


def are_equal(weight: NDArray[np.floating]) -> bool:
    """Return whether weights are one positive number: events of equal weights are counts.

    Examples
    --------
    >>> are_equal(np.array([0.2, 0.2])), are_equal(np.array([1.0, -1.0])), are_equal(np.array([]))
    (True, False, True)
    """
    return not weight.size or bool(weight[0] > 0 and np.all(weight == weight[0]))


def refuse_weights(weight: NDArray[np.floating] | None, what: str) -> None:
    """Raise an InputError where nothing can be learnt: a weight is negative, or none is above zero.

    Examples
    --------
    >>> refuse_weights(np.array([1.0, -0.5]), "classifier")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: classifier: 1 of 2 events have a negative weight; leave them out
    """
    if weight is None or not weight.size:
        return
    if np.any(weight < 0):
        n = np.count_nonzero(weight < 0)
        msg = f"{what}: {n} of {len(weight)} events have a negative weight; leave them out"
        raise InputError(msg)
    if not weight.any():
        msg = f"{what}: all {len(weight)} events have the weight 0; leave the column 'weight' out"
        raise InputError(msg)


def refuse_other_weights(files: ColumnFiles) -> None:
    """Raise an InputError where events have different weights that nobody would look at.

    A column that is the same for all events, as that of data, says nothing; nor does one that is
    asked for by name, or stands beside ``weight``.
    """
    # Of each column: files of different weights have different ones, too.
    first: dict[str, float] = {}
    for name, file in files.files:
        schema = file.schema_arrow
        if "weight" in schema.names:
            continue
        for column in sorted(set(schema.names) - {files.mass, *files.features}):
            if not is_weight(column) or not is_number(schema.field(column).type):
                continue
            batches = file.iter_batches(columns=[column])
            while (batch := next_rows(batches, name)) is not None:
                values = number_column(batch, column, name)
                values = values[np.isfinite(values)]
                if values.size and np.any(values != first.setdefault(column, values[0])):
                    msg = (
                        f"{name}: column {column!r} looks like weights of events, and weights are read "
                        "from a column 'weight' alone: give it that name, or drop it if each event counts "
                        "as one"
                    )
                    raise InputError(msg)
