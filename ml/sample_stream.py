"""Events of any number of files, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .blocks.opening import Paths
from .blocks.reading import ColumnFiles, add_lists, block_reader
from .sample import Sample

__all__ = ["SampleStream"]


@dataclass(frozen=True)
class SampleStream:
    """Events of Parquet files, some at a time: what is done with any number of them.

    Each pass over it reads the files again, in their order, and holds ``rows`` events; whether an
    event id occurs twice is not seen (:meth:`Sample.from_parquet` sees it).

    Attributes
    ----------
    paths : path or sequence of paths
        Files, or folders of ``*.parquet`` files.
    features : tuple of str
        Names of the feature columns, of numbers or of lists.
    mass : str
        Name of the resonant mass, in GeV.
    rows : int
        The most events at a time.

    Raises
    ------
    InputError
        As :meth:`Sample.from_parquet`, when it is read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa
    >>> import pyarrow.parquet as pq
    >>> table = pa.table({"event": np.arange(5, dtype="u8"), "mjj": np.full(5, 3e3), "x": np.ones(5)})
    >>> with TemporaryDirectory() as folder:
    ...     pq.write_table(table, f"{folder}/events.parquet")
    ...     [len(sample) for sample in SampleStream(folder, ("x",), rows=2)]
    [2, 2, 1]
    """

    paths: Paths
    features: tuple[str, ...]
    mass: str = "mjj"
    rows: int = 65_536

    def __iter__(self) -> Iterator[Sample]:
        """Yield sample after sample."""
        files = ColumnFiles.open(self.paths, features=self.features, mass=self.mass)
        for batch in files.batches(self.rows):
            blocks = {}
            for name, column in batch.blocks.items():
                reader = block_reader(column.type, len(column), len(column.flatten()))
                add_lists(reader, batch, name)
                blocks[name] = reader.block()
            columns = [batch.features[name] for name in files.features]
            features = np.stack(columns, axis=1) if columns else np.empty((len(batch), 0))
            yield Sample.from_arrays(
                batch.mass,
                features,
                files.features,
                event=batch.event,
                blocks=blocks,
                **batch.extras,
            )
        files.close()
