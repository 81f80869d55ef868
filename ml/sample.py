"""Events as methods get them: ids, masses, feature columns, constituents and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import ConfigError, InputError
from ..core.identity import refuse_not_finite, row_ids, whole_numbers
from .blocks.block import Block, BlockKind
from .blocks.equal_events import refuse_equal_events, refuse_repeated_ids
from .blocks.opening import Paths
from .blocks.other_weights import refuse_other_weights
from .blocks.reading import EXTRAS, ColumnFiles, add_lists, naming
from .mass_guard import rank_correlation, regressed_share

__all__ = ["Sample", "simulated", "truth"]

_BATCH = 262_144  # rows held beside the result while a file streams by
_LIST_ROWS = 8192  # of them where a row holds lists
_RANKED = 10_000  # events that decide whether a feature is a function of the mass
_FEWEST_RANKED = 100  # below, chance is too large
_FEWEST_REGRESSED = 500
_KNOWN = 0.1  # R²: both transverse momenta give 0.2 to 0.25, normalised constituents 0.02 (docs)
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
    group : ndarray of int64, shape (n_events,), optional
        Which region of the analysis an event belongs to.
    blocks : mapping of str to Block
        Constituents and images of jets, by the names of their columns (`j1_constituents`).

    Raises
    ------
    InputError
        If the shapes do not match, or a value is not finite.

    Examples
    --------
    >>> events = Sample.from_arrays([3100.0, 3500.0], [[0.7, 120.0], [0.2, 90.0]], ("tau21", "mj1"))
    >>> len(events), events.columns, events.features.dtype
    (2, ('tau21', 'mj1'), dtype('float32'))
    """

    event: NDArray[np.uint64]
    mass: NDArray[np.float64]
    features: NDArray[np.float32]
    names: tuple[str, ...]
    weight: NDArray[np.float64] | None = None
    label: NDArray[np.int8] | None = None
    group: NDArray[np.int64] | None = None
    blocks: Mapping[str, Block[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.event)
        if self.features.shape != (n, len(self.names)):
            msg = (
                f"a sample of {n} events and the features {', '.join(self.names)} needs an array "
                f"of shape {(n, len(self.names))}, found {self.features.shape}"
            )
            raise InputError(msg)
        for name in ("mass", *EXTRAS):
            column = getattr(self, name)
            if column is not None and column.shape != (n,):
                msg = f"{name}: expected shape ({n},) as the events have, found {column.shape}"
                raise InputError(msg)
        for name, block in self.blocks.items():
            if len(block) != n:
                msg = f"{name}: {len(block)} {block.kind} do not belong to {n} events"
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
        group: ArrayLike | None = None,
        blocks: Mapping[str, Block[Any]] | None = None,
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
            label=None
            if label is None
            else whole_numbers(np.asarray(label), "label").astype(np.int8),
            group=None if group is None else np.asarray(group, dtype=np.int64),
            blocks=dict(blocks or {}),
        )

    @classmethod
    def from_parquet(cls, paths: Paths, *, features: Sequence[str], mass: str = "mjj") -> Self:
        """Read the needed columns of Parquet files, streaming: nothing else is held in memory.

        Columns called ``event``, ``label`` and ``group`` are taken along where all files have them, and
        ``weight`` where any has. Files without ``event`` get ids by content, the mass and the momenta of
        jets (:attr:`ColumnFiles.kinematics`): other names, another order of files or rows, and further
        features change nothing. Features that are lists become blocks: those of {pt, eta, phi}
        constituents, those of arrays of one size images; large ones are memory-mapped.

        Parameters
        ----------
        paths : path or iterable of paths
            Files, or folders of them; anything fsspec opens. HDF5 tables are read as Parquet is (`hdf5_tables`).
        features : sequence of str
            Names of the feature columns, of numbers or of lists.
        mass : str
            Name of the resonant mass, in GeV.

        Returns
        -------
        Sample
            Events in the order of the files.

        Raises
        ------
        InputError
            If a file is missing, not Parquet or given twice, a column is missing, weights have another
            name, a value is not finite, an event id occurs twice, or events are the same beyond chance.
        """
        files = ColumnFiles.open(paths, features=features, mass=mass)
        readers = {name: files.reader(name) for name in files.blocks}
        n = len(files)
        event, masses = np.empty(n, np.uint64), np.empty(n, np.float64)
        values = np.empty((n, len(files.features)), np.float32)
        extras: dict[str, Any] = {name: np.empty(n, EXTRAS[name]) for name in files.extras}
        at = 0
        for batch in files.batches(_LIST_ROWS if readers else _BATCH):
            to = slice(at, at + len(batch))
            event[to], masses[to] = batch.event, batch.mass
            with np.errstate(over="ignore"):  # what becomes infinite is refused by name
                for i, name in enumerate(files.features):
                    values[to, i] = batch.features[name]
            for name, into in extras.items():
                into[to] = batch.extras[name]
            for name, reader in readers.items():
                add_lists(reader, batch, name)
            at += len(batch)
        refuse_other_weights(files)
        refuse_repeated_ids(files, event)
        refuse_equal_events(files, masses, values)
        files.close()
        blocks = {name: reader.block() for name, reader in readers.items()}
        names = [name for name, _ in files.files]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        with naming(f"{names[0]}{more}"):
            refuse_not_finite(masses, repr(mass))
            return cls(event, masses, values, files.features, blocks=blocks, **extras)

    def without_label(self) -> Self:
        """Return the sample as a method may see it: without the truth."""
        return replace(self, label=None)

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weight of each event, shape (n_events,): 1 where there are none."""
        return np.ones(len(self)) if self.weight is None else self.weight

    @property
    def groups(self) -> NDArray[np.int64]:
        """The region of each event, shape (n_events,): 0 where there are none."""
        return np.zeros(len(self), np.int64) if self.group is None else self.group

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all features, of numbers and then of blocks."""
        return (*self.names, *self.blocks)

    def showing(self, kinds: Sequence[str], *, method: str) -> Self:
        """Return the sample with the blocks that a method needs, each jet in units of its own.

        Parameters
        ----------
        kinds : sequence of str
            ``constituents``, ``images``; other needs are left to others.
        method : str
            The method's name, for the message.

        Raises
        ------
        InputError
            If the sample has no block of a kind.
        """
        wanted: dict[str, Block[Any]] = {}
        for kind in ("constituents", "images"):
            if kind in kinds:
                wanted |= self.blocks_of(kind, method=method)
        return replace(self, blocks={name: block.normalised() for name, block in wanted.items()})

    def blocks_of(self, kind: BlockKind, *, method: str, say: str = "") -> dict[str, Block[Any]]:
        """Return the blocks of a kind by their names, or say that a method cannot do without.

        Raises
        ------
        InputError
            If there is none; it asks for columns like ``say``, or like those of most methods.
        """
        found = {name: block for name, block in self.blocks.items() if block.kind == kind}
        if not found:
            usual = {"constituents": "j1_constituents", "images": "j1_image"}[kind]
            msg = f"method {method!r} needs {kind}; no column of features is one ({say or usual}?)"
            raise InputError(msg)
        return found

    def take(self, which: NDArray[Any]) -> Self:
        """Return some of the events, by mask or by indices, in that order."""
        extras = {name: getattr(self, name) for name in EXTRAS}
        return replace(
            self,
            event=self.event[which],
            mass=self.mass[which],
            features=self.features[which],
            blocks={name: block.take(which) for name, block in self.blocks.items()},
            **{name: None if each is None else each[which] for name, each in extras.items()},
        )

    @classmethod
    def concatenated(cls, *samples: Sample) -> Self:
        """Return the events of all samples, one sample after the other.

        Weights are 1 for a sample that has none where another has some; labels and groups are
        kept where all samples have them.

        Raises
        ------
        InputError
            If the features are not the same.
        """
        first, blocks = samples[0], dict(samples[0].blocks)
        for other in samples[1:]:
            if other.columns != first.columns:
                msg = (
                    f"samples with the features {', '.join(first.columns)} and "
                    f"{', '.join(other.columns)} cannot be joined; give both the same, in the "
                    "same order"
                )
                raise InputError(msg)
            blocks = {name: block.beside(other.blocks[name]) for name, block in blocks.items()}
        weighted = any(sample.weight is not None for sample in samples)
        labels = [sample.label for sample in samples if sample.label is not None]
        groups = [sample.group for sample in samples if sample.group is not None]
        return cls(
            np.concatenate([sample.event for sample in samples]),
            np.concatenate([sample.mass for sample in samples]),
            np.concatenate([sample.features for sample in samples]),
            first.names,
            weight=np.concatenate([each.weights for each in samples]) if weighted else None,
            label=np.concatenate(labels) if len(labels) == len(samples) else None,
            group=np.concatenate(groups) if len(groups) == len(samples) else None,
            blocks=blocks,
        )

    def beside(self, other: Sample) -> tuple[Self, NDArray[np.bool_]]:
        """Return the events of both samples in the order of their ids, and which are of the first.

        The truth is left out. Events of the same id stay apart, the first sample's before.

        Raises
        ------
        InputError
            If the features are not the same.
        """
        both = self.concatenated(self.without_label(), other.without_label())
        order = np.argsort(both.event, kind="stable")
        return both.take(order), order < len(self)

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
            one = constant.sum() == 1
            are, left = ("feature {} is", "it") if one else ("features {} are", "them")
            msg = f"{are.format(names)} the same in all events (constant); leave {left} out"
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
        for i, name in enumerate(self.names):
            xi = rank_correlation(self.mass[:n], self.features[:n, i])
            if xi > _FUNCTION:
                msg = (
                    f"feature {name!r} is a function of the mass (rank correlation {xi:.3f}) and "
                    "would be learnt in place of a signal; leave it out"
                )
                raise InputError(msg)

    def refuse_known_mass(self) -> None:
        """Raise an InputError if the mass can be computed from the blocks and features together.

        Constituents of both jets in GeV *are* the mass, and so are normalised ones, which know the
        mass of a jet over its pT, beside a jet mass in GeV. A regression of the mass from a few
        numbers of each object and the features (:func:`~overdensity.ml.mass_guard.regressed_share`)
        may explain a tenth of its variance.
        """
        n = min(len(self), _RANKED)
        if not self.blocks or n < _FEWEST_REGRESSED:
            return
        some = self.take(np.arange(n))
        logs = np.sign(some.features) * np.log1p(np.abs(some.features, dtype=np.float64))
        share = regressed_share(
            some.mass, np.hstack([logs, *(block.summaries() for block in some.blocks.values())])
        )
        if share > _KNOWN:
            msg = (
                f"the mass can be computed from {', '.join(self.columns)} (R² = {share:.2f}, at most "
                f"{_KNOWN:g}) and would be learnt in place of a signal; normalise constituents and "
                "images per jet, and leave out masses and momenta of jets"
            )
            raise InputError(msg)

    def _refuse_not_finite(self) -> None:
        columns = {repr(name): self.features[:, i] for i, name in enumerate(self.names)}
        columns |= {"of the mass": self.mass, "weight": self.weight}
        for name, column in columns.items():
            if column is not None:
                refuse_not_finite(column, name)


def simulated(method: str, simulation: Sample | None) -> Sample:
    """Return the simulation, or refuse for the method of this name, which needs it.

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
    """Return the labels of events, or refuse for the method of this name, which needs them.

    Raises
    ------
    ConfigError
        If there are none.
    """
    if data.label is None:
        msg = f"method {method!r} needs the truth, and the events have no column 'label'"
        raise ConfigError(msg)
    return data.label
