"""From columns of labelled jets to the file of the features that tell them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core import ConfigError, InputError, nearest_names
from ...core.files.outputs import refuse_unwritable
from ...core.identity import no_feature, whole_numbers
from ...ml.blocks.equal_events import refuse_equal_rows
from ...ml.blocks.other_weights import are_equal
from .applying import inside, opened

if TYPE_CHECKING:
    from ...ml.tagging.feature_choice import ChoiceHyper, FeatureChoice

__all__ = ["choose_to_file", "numbers_of"]

_WHOLE = {"label": np.int64, "event": np.uint64}
_LIST = re.compile(
    r"(?P<jet>j\d+_)?efps(?P<beta>_b[\d.]+)?"
)  # all polynomials of a jet in one column


def choose_to_file(
    paths: Sequence[str],
    out: Path,
    *,
    candidates: Sequence[str],
    start: Sequence[str],
    hyper: ChoiceHyper,
    seed: int,
) -> FeatureChoice:
    """Choose features and write their names; a choice that was interrupted goes on from its last round.

    Until it is done, its state is in a file ``.unfinished`` beside the other.

    Parameters
    ----------
    paths : sequence of str
        Parquet files of labelled jets, or folders of them.
    out : Path
        The JSON file.
    candidates : sequence of str
        Columns of numbers, and of energy flow polynomials (``efps``), of which each is one.
    start : sequence of str
        Columns that are known before the first round.
    hyper, seed
        See `overdensity.ml.tagging.feature_choice.choose_features`.
    """
    from ...ml.tagging.feature_choice import choose_features  # noqa: PLC0415 - when it is run

    refuse_unwritable(out)  # said before minutes of work
    columns = list(dict.fromkeys([*start, *candidates]))
    if msg := no_feature(columns):
        raise ConfigError(msg)
    x, names, label, event = numbers_of(paths, columns)
    unfinished = out.with_name(f"{out.name}.unfinished")
    found = choose_features(
        x, names, label != 0, event, start=start, hyper=hyper, seed=seed, unfinished=unfinished
    )
    found.to_json(out)
    unfinished.unlink(missing_ok=True)
    return found


def numbers_of(
    paths: Sequence[str], columns: Sequence[str]
) -> tuple[NDArray[np.float32], list[str], NDArray[np.int64], NDArray[np.uint64]]:
    """Read columns of numbers; a list of energy flow polynomials is a column for each.

    Returns
    -------
    x : ndarray of float32, shape (n_jets, n_names)
    names : list of str
    label : ndarray of int64, shape (n_jets,)
    event : ndarray of uint64, shape (n_jets,)

    Raises
    ------
    InputError
        If a file or column cannot be used.
    """
    files = [name for path in paths for name in inside(path)]
    read: dict[str, list[NDArray[Any]]] = {}
    weights = np.empty(0)  # that jets have, each once
    for name in files:
        with opened(name) as file:
            present = file.schema_arrow.names
            for column in ("label", "event", *columns):
                if present.count(column) != 1:
                    msg = f"{name}: no column {column!r}; {nearest_names(column, present)}"
                    if column in present:
                        msg = f"{name}: has the column {column!r} twice; take one of them out"
                    raise InputError(msg)
            weight = [each for each in present if each == "weight"]
            table = file.read(columns=["label", "event", *columns, *weight])
        of_file = _numbers("weight", table["weight"], name) if weight else np.ones(1)
        weights = np.unique(np.append(weights, of_file))
        if not are_equal(weights):
            msg = (
                f"{name}: jets have different weights, and each of them counts as one here; drop the "
                "column 'weight'"
            )
            raise InputError(msg)
        for column in ("label", "event"):
            values = whole_numbers(_numbers(column, table[column], name), column, f"{name}: ")
            read.setdefault(column, []).append(values.astype(_WHOLE[column]))
        for column in columns:
            for each, values in _columns(column, table[column].combine_chunks(), name).items():
                read.setdefault(each, []).append(values)
    names = [name for name in read if name not in ("label", "event")]
    joined = {name: np.concatenate(values) for name, values in read.items()}
    for name in names:
        if len(joined[name]) != len(joined["event"]):
            msg = f"{', '.join(files)}: no {name!r} in some of them; make their columns alike"
            raise InputError(msg)
    with np.errstate(over="ignore"):  # what becomes infinite is refused by name
        x = np.stack([joined[name] for name in names], axis=1).astype(np.float32)
    refuse_equal_rows(x, files, "jets")
    return x, names, joined["label"], joined["event"]


def _columns(column: str, values: Any, file: str) -> dict[str, NDArray[Any]]:
    found = _LIST.fullmatch(column)
    arrow = values.type
    if found and pa.types.is_fixed_size_list(arrow):
        if values.null_count:
            msg = f"{file}: column {column!r} is missing in {values.null_count} of {len(values)} jets; leave them out"
            raise InputError(msg)
        table = values.flatten().to_numpy(zero_copy_only=False).reshape(-1, arrow.list_size)
        jet, beta = found["jet"] or "", found["beta"] or ""
        return {f"{jet}efp{k}{beta}": x for k, x in enumerate(table.T)}
    return {column: _numbers(column, values, file)}


def _numbers(column: str, values: Any, file: str) -> NDArray[Any]:
    arrow = values.type
    if not (pa.types.is_floating(arrow) or pa.types.is_integer(arrow)):
        msg = f"{file}: column {column!r} holds {arrow}; candidates are numbers, or efps"
        if column in _WHOLE:
            msg = f"{file}: column {column!r} holds {arrow}, not whole numbers"
        raise ConfigError(msg)
    if values.null_count:
        msg = f"{file}: column {column!r} is missing in {values.null_count} of {len(values)} jets; leave them out"
        raise InputError(msg)
    return values.to_numpy()
