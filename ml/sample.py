"""What a method is handed: events as ids, masses and feature columns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Self

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ..core import ConfigError, InputError, nearest_names
from ..core.identity import row_ids

__all__ = ["Sample", "simulated", "truth"]

_BATCH = 262_144  # rows held beside the result while a file streams by
_RANKED = 10_000  # events that decide whether a feature is a function of the mass
_FEWEST_RANKED = 100  # below, chance is too large
_FUNCTION = 0.95  # rank correlation: a linear correlation of 0.9987 between normal variables


@dataclass(frozen=True, eq=False)
class Sample:
    """Events in memory, one row each.

    Attributes
    ----------
    event : ndarray of uint64, shape (n_events,)
        Ids; the folds are made of them.
    mass : ndarray of float64, shape (n_events,)
        The resonant mass in GeV.
    features : ndarray of float32, shape (n_events, n_features)
        What a method may look at beside the mass.
    names : tuple of str
        Names of the feature columns.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights; all 1 if None.
    label : ndarray of int8, shape (n_events,), optional
        Truth, for evaluation alone.

    Raises
    ------
    InputError
        If the shapes do not match, or a value is not finite.
    """

    event: NDArray[np.uint64]
    mass: NDArray[np.float64]
    features: NDArray[np.float32]
    names: tuple[str, ...]
    weight: NDArray[np.float64] | None = None
    label: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        n = len(self.event)
        if self.features.shape != (n, len(self.names)):
            msg = (
                f"a sample of {n} events and the features {', '.join(self.names)} needs an array "
                f"of shape {(n, len(self.names))}, found {self.features.shape}"
            )
            raise InputError(msg)
        for name in ("mass", "weight", "label"):
            column = getattr(self, name)
            if column is not None and column.shape != (n,):
                msg = f"{name}: expected shape ({n},) as the events have, found {column.shape}"
                raise InputError(msg)
        self._refuse_not_finite()

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.event)

    @classmethod
    def from_arrays(
        cls,
        mass: ArrayLike,
        features: ArrayLike,
        names: Sequence[str],
        *,
        event: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        label: ArrayLike | None = None,
    ) -> Self:
        """Build a sample from anything numpy understands; ids from the row numbers if absent."""
        mass = np.asarray(mass, dtype=np.float64)
        ids = row_ids("", 0, len(mass)) if event is None else np.asarray(event, np.uint64)
        return cls(
            event=ids,
            mass=mass,
            features=np.ascontiguousarray(features, dtype=np.float32),
            names=tuple(names),
            weight=None if weight is None else np.asarray(weight, dtype=np.float64),
            label=None if label is None else np.asarray(label, dtype=np.int8),
        )

    @classmethod
    def from_parquet(
        cls,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        features: Sequence[str],
        mass: str = "mjj",
    ) -> Self:
        """Read the needed columns of Parquet files, streaming: nothing else is held in memory.

        Columns called ``event``, ``weight`` and ``label`` are taken along where all files have
        them. Files without ``event`` get ids made from their name (without the folder) and the
        row number, so moving or reordering the files changes nothing.

        Parameters
        ----------
        paths : path or iterable of paths
            Files, or folders of ``*.parquet`` files; anything fsspec opens.
        features : sequence of str
            Names of the feature columns.
        mass : str
            Name of the resonant mass, in GeV.

        Returns
        -------
        Sample
            Events in the order of the files.

        Raises
        ------
        InputError
            If a file is missing or not Parquet, a column is missing, a value is not finite, or
            an event id occurs twice.
        """
        columns = [mass, *features]
        files = [(name, _open(fs, name)) for fs, name in _files(paths)]
        for name, file in files:
            present = file.schema_arrow.names
            for column in columns:
                if column not in present:
                    msg = f"{name}: no column {column!r}; {nearest_names(column, present)}"
                    raise InputError(msg)
        extras = [
            extra
            for extra in ("event", "weight", "label")
            if all(extra in file.schema_arrow.names for _, file in files)
        ]
        n = sum(file.metadata.num_rows for _, file in files)
        event = np.empty(n, np.uint64)
        values = np.empty((n, len(features)), np.float32)
        masses = np.empty(n, np.float64)
        weight = np.empty(n, np.float64) if "weight" in extras else None
        label = np.empty(n, np.int8) if "label" in extras else None

        at = 0
        for name, file in files:
            row = 0
            for batch in file.iter_batches(_BATCH, columns=[*columns, *extras]):
                to = slice(at, at + len(batch))
                masses[to] = _column(batch, mass, name)
                for i, feature in enumerate(features):
                    values[to, i] = _column(batch, feature, name)
                if "event" in extras:
                    event[to] = _column(batch, "event", name)
                else:
                    event[to] = row_ids(PurePath(name).name, row, row + len(batch))
                for extra, into in (("weight", weight), ("label", label)):
                    if into is not None:
                        into[to] = _column(batch, extra, name)
                at += len(batch)
                row += len(batch)
            file.close()
        twice = n - len(np.unique(event))
        if twice:
            msg = (
                f"{files[0][0]}{' and other files' if len(files) > 1 else ''}: {twice} event ids "
                "occur more than once; is a file listed twice, or do two files share a name?"
            )
            raise InputError(msg)
        return cls(event, masses, values, tuple(features), weight, label)

    def without_label(self) -> Self:
        """Return the sample as a method may see it: without the truth."""
        return replace(self, label=None)

    def take(self, which: NDArray[Any]) -> Self:
        """Return some of the events, by mask or by indices, in that order."""
        return replace(
            self,
            event=self.event[which],
            mass=self.mass[which],
            features=self.features[which],
            weight=None if self.weight is None else self.weight[which],
            label=None if self.label is None else self.label[which],
        )

    def beside(self, other: Sample) -> tuple[Self, NDArray[np.bool_]]:
        """Return the events of both samples in the order of their ids, and which are of the first.

        The truth is left out. Events of the same id stay apart, the first sample's before.

        Raises
        ------
        InputError
            If the features are not the same.
        """
        if other.names != self.names:
            msg = (
                f"samples with the features {', '.join(self.names)} and {', '.join(other.names)} "
                "cannot be joined; give both the same, in the same order"
            )
            raise InputError(msg)
        event = np.concatenate([self.event, other.event])
        order = np.argsort(event, kind="stable")
        weight = None
        if self.weight is not None or other.weight is not None:
            parts = (np.ones(len(s)) if s.weight is None else s.weight for s in (self, other))
            weight = np.concatenate(list(parts))[order]
        both = replace(
            self,
            event=event[order],
            mass=np.concatenate([self.mass, other.mass])[order],
            features=np.concatenate([self.features, other.features])[order],
            weight=weight,
            label=None,
        )
        return both, order < len(self)

    def refuse_constant_features(self) -> None:
        """Raise an InputError that names the features which have the same value in all events."""
        if len(self) == 0:
            return
        constant = np.all(self.features == self.features[0], axis=0)
        if constant.any():
            names = ", ".join(
                f"{name!r} (always {self.features[0, i]:g})"
                for i, name in enumerate(self.names)
                if constant[i]
            )
            msg = f"feature {names} is constant and tells events apart in nothing; leave it out"
            raise InputError(msg)

    def refuse_functions_of_mass(self) -> None:
        """Raise an InputError that names the features which the mass alone decides.

        Such a feature tells the signal region from its sidebands whatever the events are. It is
        recognised by Chatterjee's rank correlation with the mass (arXiv:1909.10140, equation 1),
        which is 0 where a feature is independent of the mass and tends to 1 where it is any
        function of it, rising or not.
        """
        n = min(len(self), _RANKED)
        if n < _FEWEST_RANKED:
            return
        order = np.argsort(self.mass[:n], kind="stable")
        for i, name in enumerate(self.names):
            column = self.features[:n, i][order]
            up, down = rankdata(column, "max"), rankdata(-column, "max")
            spread = 2 * np.sum(down * (n - down))
            if spread == 0:
                continue  # constant
            xi = 1 - n * np.abs(np.diff(up)).sum() / spread
            if xi > _FUNCTION:
                msg = (
                    f"feature {name!r} is a function of the mass (rank correlation {xi:.3f}) and "
                    "would be learnt in place of a signal; leave it out"
                )
                raise InputError(msg)

    def _refuse_not_finite(self) -> None:
        columns = {"the mass": self.mass, "weight": self.weight}
        columns |= {repr(name): self.features[:, i] for i, name in enumerate(self.names)}
        for name, column in columns.items():
            bad = 0 if column is None else int(np.count_nonzero(~np.isfinite(column)))
            if bad:
                msg = (
                    f"column {name}: {bad} of {len(self)} values are NaN or infinite; "
                    "remove these events or repair the column"
                )
                raise InputError(msg)


def _files(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> Iterable[tuple[fsspec.AbstractFileSystem, str]]:
    """Yield (filesystem, file) for each path; the files of a folder in the order of their names."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found = False
    for path in paths:
        fs, name = fsspec.core.url_to_fs(os.fspath(path))
        if not fs.exists(name):
            msg = f"{path}: no such file"
            raise InputError(msg)
        inside = sorted(map(str, fs.glob(f"{name}/*.parquet"))) if fs.isdir(name) else [name]
        if not inside:
            msg = f"{path}: a folder without *.parquet files"
            raise InputError(msg)
        found = True
        yield from ((fs, each) for each in inside)
    if not found:
        msg = "no file given"
        raise InputError(msg)


def _open(fs: fsspec.AbstractFileSystem, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(name, filesystem=fs)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{name}: not a Parquet file, or truncated ({str(error).splitlines()[0]})"
        raise InputError(msg) from None


def _column(batch: pa.RecordBatch, name: str, file: str) -> NDArray[Any]:
    """Return a column as numbers; nulls become NaN, which the sample then refuses by name."""
    column = batch.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)) and not (
        pa.types.is_boolean(column.type)
    ):
        msg = f"{file}: column {name!r} holds {column.type}, not numbers"
        raise InputError(msg)
    if name in ("event", "label") and column.null_count:
        msg = f"{file}: column {name!r} has {column.null_count} missing values"
        raise InputError(msg)
    return column.to_numpy(zero_copy_only=False)


def simulated(method: str, simulation: Sample | None) -> Sample:
    """Return the simulation, or say that the method of this name cannot do without.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if simulation is None:
        msg = f"method {method!r} needs simulated events; give simulation files"
        raise ConfigError(msg)
    return simulation


def truth(method: str, data: Sample) -> NDArray[np.int8]:
    """Return the labels of events, or say that the method of this name cannot do without.

    Raises
    ------
    ConfigError
        If there are none.
    """
    if data.label is None:
        msg = f"method {method!r} needs the truth, and the events have no column 'label'"
        raise ConfigError(msg)
    return data.label
