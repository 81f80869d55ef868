"""LHC Olympics HDF5 files as coffea-style events, any range of rows without reading the rest."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import awkward as ak
import h5py
import hdf5plugin  # noqa: F401 - registers blosc, with which the official files are compressed
import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError
from ...core.files.file_errors import reason
from ...core.files.file_systems import file_system
from ...core.identity import content_ids_of_lists, hex_digest, whole_numbers
from ..jets.momentum import momenta
from .chunks import FINGERPRINT_EVENTS, PARTICLES, Chunk, FileSummary, absolute, content_identity
from .remote import read_bytes, readable
from .source import Source, register_source
from .written import refuse_unwritten

__all__ = ["LhcoSource"]

_OF_PANDAS = "df/block0_values"  # what DataFrame.to_hdf(key="df") makes
_SLAB_EVENTS = 2000  # rows unpacked at a time: 34 MB of padded float64
_SHOWN = 6  # names of datasets or columns in a message
_PARTICLE_BYTES = 32  # pt, eta, phi, mass in float64


@register_source("lhco", suffixes=(".h5", ".hdf5"))
@dataclass(frozen=True)
class LhcoSource(Source):
    """Reads the format of the LHC Olympics 2020 (Kasieczka et al., arXiv:2101.08320, section 2).

    One row an event: (pT, eta, phi) of every particle, massless, pT in GeV, padded with zeros to
    700 particles in the official files and to any other number here; then, in the R&D files, the
    truth bit. A row of 3n numbers has no truth, one of 3n + 1 numbers has.

    Attributes
    ----------
    dataset : str
        Path of the table in the file; the default is what ``DataFrame.to_hdf(key="df")`` makes.
    keys : mapping of str to str
        For a box whose truth is kept apart: event file → key file. A key file is text with one
        0 or 1 a line, or HDF5 with one number an event in the same dataset.

    Examples
    --------
    >>> import tempfile
    >>> from overdensity.processors import read_events
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "box.h5")
    ...     with h5py.File(path, "w") as file:  # two particles and none, the truth last
    ...         file["df/block0_values"] = [[40, 0.1, 0.2, 30, -1, 3, 1], [0] * 7]
    ...     events = read_events(LhcoSource(), path)
    >>> events.particles.pt.tolist(), events.label.tolist()
    ([[40.0, 30.0], []], [1, 0])
    """

    dataset: str = _OF_PANDAS
    keys: Mapping[str, str] = field(default_factory=dict)

    options: ClassVar[tuple[str, ...]] = ("key_file", "dataset")

    @classmethod
    def configured(cls, files: Sequence[str], options: Mapping[str, Any]) -> Self:
        """Return the source of a box, perhaps with the file of its truth (``key_file``).

        ``dataset`` names the table, where it is not the one of ``DataFrame.to_hdf(key="df")``.

        Raises
        ------
        ConfigError
            If one file of truth is given for several boxes.
        """
        named = {name: options[name] for name in options if name == "dataset"}
        if "key_file" not in options:
            return cls(**named)
        if len(files) != 1:
            msg = f"events.key_file goes with one event file, not {len(files)}"
            raise ConfigError(msg)
        return cls(keys={files[0]: options["key_file"]}, **named)

    def settings(self) -> dict[str, Any]:
        """Return what the events depend on beside the file itself."""
        keys = sorted(hex_digest(read_bytes(key)) for key in self._keys.values())
        return {"format": "lhco", "dataset": self.dataset, "keys": keys}

    @property
    def _keys(self) -> dict[str, str]:
        """The key files by the absolute paths of their event files, however these were written."""
        return {absolute(path): os.fspath(key) for path, key in self.keys.items()}

    def inspect(
        self, path: str | os.PathLike[str], collections: Sequence[str] = PARTICLES
    ) -> FileSummary:
        """Open a file and say what it holds; its identity is that of its content.

        Raises
        ------
        InputError
            As of `Source.inspect`, and if the dataset is missing, not a table of particles, or was
            not written to its end.
        """
        path = os.fspath(path)
        _only_particles(path, collections)
        with self._open(path) as table:
            refuse_unwritten(table, path)
            n_events = table.shape[0]
            first, counts = _unpad(_rows(table, path, 0, FINGERPRINT_EVENTS))
        return FileSummary(
            path,
            n_events,
            content_identity(n_events, counts, first),
            event_bytes=_PARTICLE_BYTES * float(counts.mean()) if len(counts) else 0.0,
        )

    def read(self, chunk: Chunk, collections: Sequence[str] = PARTICLES) -> ak.Array:
        """Read a chunk.

        Returns
        -------
        ak.Array, shape (n_events,)
            Records with ``particles`` (var × Momentum4D with pt, eta, phi, mass; float64, GeV),
            ``event`` (uint64), and ``label`` (int8) where the truth is known. Particles that are
            not finite are kept: the processor drops such events and counts them.

        Raises
        ------
        InputError
            If the file cannot be read, if a truth bit is neither 0 nor 1, or if anything but
            particles is asked for.
        """
        _only_particles(chunk.path, collections)
        slabs: list[NDArray[np.float64]] = []
        counts: list[NDArray[np.int64]] = []
        labels: list[NDArray[np.float64]] = []
        with self._open(chunk.path) as table:
            has_truth = table.shape[1] % 3 == 1
            if chunk.stop > table.shape[0]:
                msg = f"{chunk.path}: has {table.shape[0]} events, entry {chunk.stop - 1} was asked"
                raise InputError(msg)
            for start in range(chunk.start, chunk.stop, _SLAB_EVENTS):
                rows = _rows(table, chunk.path, start, min(start + _SLAB_EVENTS, chunk.stop))
                labels.append(rows[:, -1].astype(np.float64))
                slab, count = _unpad(rows)
                slabs.append(slab.astype(np.float64))
                counts.append(count)
        particles = np.concatenate(slabs) if slabs else np.empty((0, 3))
        n_particles = np.concatenate(counts) if counts else np.empty(0, dtype=np.int64)
        fields: dict[str, Any] = {
            "particles": momenta(particles[:, 0], particles[:, 1], particles[:, 2], n_particles),
            "event": content_ids_of_lists(n_particles, *particles.T),
        }
        if (key_file := self._keys.get(absolute(chunk.path))) is not None:
            fields["label"] = _read_key(key_file, self.dataset, chunk.start, chunk.stop)
        elif has_truth:
            truth = np.concatenate(labels) if labels else np.empty(0)
            fields["label"] = _as_label(truth, chunk.path, chunk.start)
        return ak.zip(fields, depth_limit=1)

    @contextmanager
    def _open(self, path: str) -> Iterator[h5py.Dataset]:
        with _open_hdf5(path) as file:
            table = _dataset(file, self.dataset, path)
            if names := _column_names(table):
                raise InputError(_of_features(path, names))
            if "shape" in table.attrs:  # one number in place of none, as pandas writes it
                msg = f"{path}: no events in it; leave it out"
                raise InputError(msg)
            if table.dtype.kind not in "biuf":
                msg = f"{path}: dataset {self.dataset!r} holds {table.dtype}, not real numbers"
                raise InputError(msg)
            if table.ndim != 2 or table.shape[1] % 3 == 2 or table.shape[1] < 3:
                msg = (
                    f"{path}: dataset {self.dataset!r} has the shape {table.shape}; an LHC Olympics"
                    " table has 3 columns a particle (pT, eta, phi) and perhaps one for the truth"
                )
                raise InputError(msg)
            yield table


def _only_particles(path: str, collections: Sequence[str]) -> None:
    if others := [name for name in collections if name != "particles"]:
        msg = f"{path}: LHC Olympics files have particles and no {', '.join(others)}"
        raise InputError(msg)


@contextmanager
def _open_hdf5(path: str) -> Iterator[h5py.File]:
    """Open an HDF5 file, here or behind any fsspec URL, with errors a user can act on."""
    with readable(path, "HDF5"), ExitStack() as stack:
        source: Any = path
        if "://" in path:
            fs, name = file_system(path)
            source = stack.enter_context(fs.open(name, "rb"))
        yield stack.enter_context(h5py.File(source, "r"))


def _dataset(file: h5py.File, name: str, path: str) -> h5py.Dataset:
    if isinstance(dataset := file.get(name), h5py.Dataset):
        return dataset
    found: dict[str, h5py.Dataset] = {}

    def look(key: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "_i_table" not in key.split("/"):  # pandas' indices
            found[key] = item

    file.visititems(look)
    for table in found.values():
        if names := _column_names(table):
            raise InputError(_of_features(path, names))
    shown = [repr(key) for key in found][:_SHOWN]
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    msg = (
        f"{path}: no dataset {name!r}; the file holds {', '.join(shown) or 'no dataset at all'}{more}; "
        "name the one with the particles in events.dataset"
    )
    raise InputError(msg)


def _column_names(table: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of the columns of a table, as pandas or records have them; none of numbers."""
    if table.dtype.names:
        return tuple(table.dtype.names)
    place, _, block = str(table.name).rpartition("/")
    items: Any = table.file.get(f"{place}/{block.replace('values', 'items')}")
    named = isinstance(items, h5py.Dataset) and h5py.check_string_dtype(items.dtype)
    if not (named and block.endswith("_values")):
        return ()
    return tuple(os.fsdecode(each) for each in items[:_SHOWN])


def _of_features(path: str, names: Sequence[str]) -> str:
    """Say that a file holds features of events where particles were asked for."""
    shown = ", ".join(names[:_SHOWN])
    return (
        f"{path}: a table of named columns ({shown}, …), which are features and no particles; "
        "their format is columns (events.format: columns)"
    )


_NO_FILTER = ("can't open directory", "required filter", "is not registered")  # of HDF5's library


def _rows(table: h5py.Dataset, path: str, start: int, stop: int) -> NDArray[Any]:
    try:
        return table[start:stop]
    except (OSError, ValueError) as error:  # the latter of web servers without ranges
        msg = f"{path}: events {start} to {stop} cannot be read, the file is damaged ({reason(error)})"
        if any(words in str(error) for words in _NO_FILTER):
            msg = (
                f"{path}: compressed with a filter that neither h5py nor hdf5plugin have; write the file again "
                f"with h5repack -f GZIP=4 ({reason(error)})"
            )
        raise InputError(msg) from None


def _unpad(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the particles of all rows, shape (n_particles, 3), and how many each row has.

    Padding is a pT of exactly zero; a NaN is not, so that it is seen later and not lost.
    """
    width = rows.shape[1] // 3
    triples = rows[:, : 3 * width].reshape(len(rows), width, 3)
    present = triples[..., 0] != 0
    return triples[present], np.count_nonzero(present, axis=1).astype(np.int64)


def _read_key(path: str, dataset: str, start: int, stop: int) -> NDArray[np.int8]:
    """Return the kinds of events; the key of Black Box 3 has two of signal, 1 and 2."""
    content = read_bytes(path)
    if content.startswith(b"\x89HDF\r\n\x1a\n"):
        with _open_hdf5(path) as file:
            table = _dataset(file, dataset if dataset in file else _OF_PANDAS, path)
            refuse_unwritten(table, path)
            key = np.asarray(_rows(table, path, start, stop))
    else:
        try:
            key = np.loadtxt(io.BytesIO(content), skiprows=start, max_rows=stop - start, ndmin=1)
        except ValueError as error:
            msg = f"{path}: a key file has one number a line, 0 for background ({error})"
            raise InputError(msg) from None
    key = key.reshape(len(key), -1)
    if key.shape != (stop - start, 1):
        msg = f"{path}: no truth for events {start} to {stop}; the key must have one number each"
        raise InputError(msg)
    return whole_numbers(key[:, 0].astype(np.float64), "label", f"{path}: ").astype(np.int8)


def _as_label(values: NDArray[np.float64], path: str, start: int) -> NDArray[np.int8]:
    bad = np.flatnonzero((values != 0) & (values != 1))
    if len(bad):
        msg = (
            f"{path}: the truth of event {start + bad[0]} is {values[bad[0]]:g}, not 0 or 1; "
            "the last column of a row of 3n + 1 numbers is the truth bit"
        )
        raise InputError(msg)
    return values.astype(np.int8)
