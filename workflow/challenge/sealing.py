"""Seal a box: events without labels in one file, its key in another, and a commitment between them.

What could tell signal from background or how much signal there is, and why it does not:

- labels: the file is written without them, not written with them and then cut;
- the order of the rows: drawn from a secret seed of 128 bits, so that nobody can make it again;
- the number of events: round, whatever the number of signal events;
- names, attributes, sizes of chunks: the same for all boxes, and the file is named by the user;
- the recipe: its seed is replaced, so that the events of a published recipe are not those of a box.

A box is an LHC Olympics file, or one of columns (Parquet), which holds the commitment in its metadata.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import h5py
import hdf5plugin  # noqa: F401 - reads compressed files
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core import InputError
from ...core.records import atomic_path
from ...simulation import ProcessFacts, Recipe
from ...simulation.event_files import HDF5
from .key import Key, Secret, write_secretly
from .writing import must_be_free, writing_to

__all__ = [
    "COMMITMENT",
    "commitment_in",
    "make_box",
    "round_recipe",
    "seal_columns",
    "verify_box",
]

COMMITMENT = "overdensity_commitment"
"""Attribute of a box's file, or key of its metadata."""

_RECIPE, _SECRET = "recipe.json", "secret.json"  # in the hidden folder of a box that is being made
_VALUES = "df/block0_values"  # where pandas keeps a frame
_ROWS = 1024  # read at a time
_PACKAGES = ("overdensity", "pythia8mc", "numpy")
_PACKAGES_OF_COLUMNS = ("overdensity", "numpy", "pyarrow")
_COLUMNS = ".parquet"


def make_box(
    recipe: Recipe,
    out: Path,
    key_file: Path,
    *,
    simulate: Callable[[Recipe, Path, int], object],
    secret: Secret | None = None,
) -> Key:
    """Simulate a recipe with a secret seed, and write a sealed box and its key.

    Until both are whole, events and secret stay in a hidden folder beside the box, which only its
    owner can open; the same call goes on there after an interruption.

    Parameters
    ----------
    recipe : Recipe
        What is in the box; its number of events is round (`round_recipe`).
    out : Path
        The box: an LHC Olympics file, ``pandas.read_hdf(out)`` has the shape (n_events, 2100).
    key_file : Path
        The key, to be kept where those who search do not look.
    simulate : callable
        ``simulate(recipe, path, seed)`` writes events to ``path``, and their labels apart to
        ``<name>.key.h5``.
    secret : Secret, optional
        That of a key, to make the same box again; by default a new one.

    Returns
    -------
    Key

    Raises
    ------
    InputError
        If either file is there already or cannot be written, or the box is no HDF5 file; what
        ``simulate`` refuses at once leaves nothing behind.
    """
    if out.suffix not in HDF5:
        msg = f"{out}: a box is a file of the LHC Olympics; give it a name that ends in .h5"
        raise InputError(msg)
    for path in (out, key_file):
        must_be_free(path)
    workshop = _workshop(out, recipe, secret)
    secret = Secret.from_json(workshop / _SECRET)
    events = workshop / "events.h5"
    try:
        simulate(recipe, events, secret.seed)
    except InputError:
        if {each.name for each in workshop.iterdir()} == {_RECIPE, _SECRET}:  # nothing was begun
            shutil.rmtree(workshop)
        raise
    labels = _labels(events.with_suffix(".key.h5"))
    key = Key(
        box=out.stem,
        secret=secret,
        recipe=recipe.to_dict(),
        processes=recipe.facts,
        n_events=len(labels),
        signal_rows=tuple(np.flatnonzero(labels).tolist()),
        events_sha256=_digest(events),
        versions={name: version(name) for name in _PACKAGES},
    )
    with h5py.File(events, "r+") as file:
        file.attrs[COMMITMENT] = key.commitment
    with writing_to(key_file):
        write_secretly(key, key_file)
    events.replace(out)
    shutil.rmtree(workshop)
    return key


def seal_columns(
    events: pa.Table,
    out: Path,
    key_file: Path,
    *,
    secret: Secret,
    recipe: dict[str, Any],
    processes: tuple[ProcessFacts, ...],
    signal_rows: NDArray[np.integer[Any]],
) -> Key:
    """Write events that have been drawn from columns as a sealed box, and its key before it.

    Parameters
    ----------
    events : pyarrow.Table
        Without labels, in an order that follows from the secret.
    out, key_file : Path
        The box (Parquet) and its key. A key without its box, of an interrupted call, is replaced.
    secret : Secret
        What the events were drawn with.
    recipe : dict
        How they can be drawn again.
    processes : tuple of ProcessFacts
        What is in the box.
    signal_rows : ndarray of int
        Rows that are signal.

    Returns
    -------
    Key

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    key = Key(
        box=out.stem,
        secret=secret,
        recipe=recipe,
        processes=processes,
        n_events=len(events),
        signal_rows=tuple(signal_rows.tolist()),
        events_sha256=_digest_of_columns(events),
        versions={name: version(name) for name in _PACKAGES_OF_COLUMNS},
    )
    with writing_to(key_file):
        key_file.unlink(missing_ok=True)
        write_secretly(key, key_file)
    with writing_to(out), atomic_path(out) as temporary:
        sealed = events.replace_schema_metadata({COMMITMENT: key.commitment})
        pq.write_table(sealed, temporary, write_page_checksum=True)
    return key


def round_recipe(recipe: Recipe, total: int | None = None) -> Recipe:
    """Return a recipe with a number of events that does not tell how many of them are signal.

    Parameters
    ----------
    recipe : Recipe
        What is in the box.
    total : int, optional
        All events of the box: the largest background is made to fit. By default the recipe stays
        as it is, if its number is round: of at most two digits that are not 0.

    Raises
    ------
    InputError
        If the number is not round, or too small for the signal and the other backgrounds.
    """
    now = recipe.events
    if total is None:
        if len(str(now).rstrip("0")) > 2:
            digits = len(str(now)) - 2
            msg = (
                f"{recipe.name}: the box would have {now} events, and whoever sees that number "
                f"can guess how many are signal; give a round one, such as --total "
                f"{now // 10**digits * 10**digits}"
            )
            raise InputError(msg)
        return recipe
    backgrounds = [each for each in recipe.facts if not each.signal]
    if not backgrounds:
        msg = f"{recipe.name}: has no background whose number could be changed; leave out --total"
        raise InputError(msg)
    largest = max(backgrounds, key=lambda each: each.events)
    wanted = total - (now - largest.events)
    if wanted < 1:
        msg = (
            f"{recipe.name}: {total} events are too few for the {now - largest.events} that are "
            f"not {largest.name}; give more with --total"
        )
        raise InputError(msg)
    return recipe.with_events({largest.name: wanted})


def commitment_in(box: Path) -> str:
    """Return the commitment of a box.

    Raises
    ------
    InputError
        If the file is missing, is neither HDF5 nor Parquet, or is no sealed box.
    """
    of_columns = box.suffix == _COLUMNS
    if box.is_dir():
        msg = f"{box}: a folder, not a file; give the box in it"
        raise InputError(msg)
    try:
        found = _commitment_of_columns(box) if of_columns else _commitment_of_events(box)
    except FileNotFoundError:
        msg = f"{box}: no such file"
        raise InputError(msg) from None
    except (OSError, pa.ArrowInvalid) as error:
        what = "a Parquet" if of_columns else "an HDF5"
        msg = f"{box}: not {what} file that can be read ({error})"
        raise InputError(msg) from None
    if not isinstance(found, str):
        where = "metadata have no" if of_columns else "attributes have no"
        msg = f"{box}: not a sealed box, since its {where} {COMMITMENT}"
        raise InputError(msg)
    return found


def verify_box(box: Path, key: Key, *, named: str = "the key") -> None:
    """Check that a key is the one that a box was sealed with, and that its events are the same.

    Raises
    ------
    InputError
        If the key or the events have been changed, or belong to another box.
    """
    if commitment_in(box) != key.commitment:
        msg = (
            f"{named} does not match {box}: the key is of another box, or was changed after the box "
            "was sealed"
        )
        raise InputError(msg)
    digest = _digest_of_columns(pq.read_table(box)) if box.suffix == _COLUMNS else _digest(box)
    if digest != key.events_sha256:
        msg = f"{box}: its events are not those it was sealed with; take the original file"
        raise InputError(msg)


def _workshop(out: Path, recipe: Recipe, secret: Secret | None) -> Path:
    """Return the hidden folder with the secret in it: that of an interrupted call, or a new one."""
    folder = out.with_name(f".{out.name}.making")
    with writing_to(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _fits(folder, recipe, secret):
            shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
            recipe.to_json(folder / _RECIPE)
            write_secretly(secret or Secret.drawn(), folder / _SECRET)
    return folder


def _fits(folder: Path, recipe: Recipe, secret: Secret | None) -> bool:
    """Return whether an interrupted call has begun what is asked for now."""
    begun = Secret.earlier(folder / _SECRET)
    same = Recipe.earlier(folder / _RECIPE) == recipe
    return begun is not None and same and secret in (None, begun)


def _labels(path: Path) -> NDArray[np.float64]:
    """Return the labels in a file of its own, 1 for signal."""
    with h5py.File(path) as file:
        return np.asarray(file[_VALUES])[:, 0]


def _digest(events: Path) -> str:
    """Return the SHA-256 of the numbers in a file of events, row by row."""
    found = hashlib.sha256()
    with h5py.File(events) as file:
        values = cast("h5py.Dataset", file[_VALUES])
        found.update(repr(values.shape).encode())
        for first in range(0, values.shape[0], _ROWS):
            rows = values[first : first + _ROWS]
            found.update(np.ascontiguousarray(rows, dtype="<f8").tobytes())
    return found.hexdigest()


def _digest_of_columns(events: pa.Table) -> str:
    """Return the SHA-256 of the numbers of columns, with their names and types."""
    found = hashlib.sha256()
    for field in events.schema:
        values = events[field.name].to_numpy()
        found.update(f"{field.name} {field.type} {len(values)}\n".encode())
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def _commitment_of_events(box: Path) -> object:
    with h5py.File(box) as file:
        return file.attrs.get(COMMITMENT)


def _commitment_of_columns(box: Path) -> str | None:
    found = (pq.read_schema(box).metadata or {}).get(COMMITMENT.encode())
    return None if found is None else found.decode()
