"""The pool of a suite: simulated columns in memory, from which boxes are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core import InputError
from ..stages.inputs.event_files import column_paths
from .suite_config import BoxesConfig, SuiteConfig

__all__ = ["Columns", "Pool", "read_pool"]

Columns = dict[str, NDArray[Any]]
"""Numbers of events by the names of columns."""

_NOT_KEPT = ("label", "event", "weight")


@dataclass(frozen=True, eq=False)
class Pool:
    """Simulated columns in memory.

    Attributes
    ----------
    mass : str
        Column of the resonant mass.
    backgrounds, signals : dict of str to dict of str to ndarray
        Columns of each source, all with the same names.
    """

    mass: str
    backgrounds: dict[str, Columns]
    signals: dict[str, Columns]

    @property
    def sources(self) -> dict[str, Columns]:
        """All of them by name."""
        return {**self.backgrounds, **self.signals}

    @property
    def events(self) -> dict[str, int]:
        """Events of each source."""
        return {name: len(columns[self.mass]) for name, columns in self.sources.items()}

    def scaled(
        self,
        columns: Columns,
        names: tuple[str, ...],
        factor: float | NDArray[np.float64],
        boxes: BoxesConfig,
    ) -> Columns:
        """Return the events of a source that pass the cuts of boxes, with energies scaled.

        Parameters
        ----------
        columns : dict of str to ndarray
            Of the source.
        names : tuple of str
            What is returned of them, beside the mass.
        factor : float or ndarray of shape (n_events,)
            That energies are multiplied by.
        boxes : BoxesConfig
            The cuts, and which columns are energies.
        """

        def of(name: str) -> NDArray[Any]:
            values = columns[name]
            if not boxes.is_energy(name, self.mass):
                return values
            return (values * factor).astype(values.dtype)

        kept = {name: of(name) for name in (self.mass, *names)}
        if boxes.region is None:
            return kept
        passing = boxes.region.keeps({name: of(name) for name in boxes.region.columns})
        return {name: values[passing] for name, values in kept.items()}


def read_pool(config: SuiteConfig, mass: str, needed: tuple[str, ...]) -> Pool:
    """Read the columns of numbers that all sources have in common.

    Parameters
    ----------
    config : SuiteConfig
        The suite.
    mass : str
        Column of the resonant mass, GeV.
    needed : tuple of str
        Columns that must be there.

    Raises
    ------
    InputError
        If a file or column cannot be used, or holds events of the other label.
    """
    backgrounds = {
        name: _read(f"pool.backgrounds.{name}", source.files, label=0)
        for name, source in config.pool.backgrounds.items()
    }
    signals = {
        name: _read(f"pool.signals.{name}", source.files, label=1)
        for name, source in config.pool.signals.items()
    }
    sources = {**backgrounds, **signals}
    region = () if config.boxes.region is None else config.boxes.region.columns
    for name, columns in sources.items():
        for column in (mass, *needed, *region):
            if column not in columns:
                msg = f"pool: {name} has no column {column!r}; simulate all sources with the same"
                raise InputError(msg)
    first = next(iter(sources.values()))
    common = [name for name in first if all(name in columns for columns in sources.values())]

    def shared(found: Mapping[str, Columns]) -> dict[str, Columns]:
        return {
            source: {name: columns[name].astype(first[name].dtype) for name in common}
            for source, columns in found.items()
        }

    return Pool(mass, shared(backgrounds), shared(signals))


def _read(source: str, files: tuple[str, ...], *, label: int) -> Columns:
    """Read the columns of numbers of a source, after its labels, if it has any, were checked."""
    tables = []
    for path in column_paths(files):
        try:
            with fsspec.open(path, "rb") as file:
                tables.append(pq.read_table(file))
        except FileNotFoundError:
            msg = f"{path}: no such file, which {source} names"
            raise InputError(msg) from None
        except pa.ArrowInvalid as error:
            msg = f"{path}: not a Parquet file that can be read ({error})"
            raise InputError(msg) from None
    common = [
        name for name in tables[0].column_names if all(name in t.column_names for t in tables)
    ]
    table = pa.concat_tables([each.select(common) for each in tables], promote_options="permissive")
    if not len(table):
        msg = f"{source}: no events in {', '.join(files)}"
        raise InputError(msg)
    if "label" in common:
        wrong = int(np.count_nonzero(table["label"].to_numpy() != label))
        if wrong:
            what = ("background", "signal")[label]
            msg = f"{source}: {wrong} of {len(table)} events are not {what}; give files of {what} alone"
            raise InputError(msg)
    return {
        field.name: table[field.name].to_numpy()
        for field in table.schema
        if field.name not in _NOT_KEPT
        and (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
    }
