"""Event files → columns: sources that read events, and coffea processors that describe them.

`process` does it all: it cuts files into chunks, runs a processor on each wherever a coffea
executor puts it, and leaves one Parquet partition a chunk. The parts can be used by themselves:
a source reads a `Chunk` of a file as coffea-style events, and processors also drop into a
`coffea.processor.Runner` of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door

if TYPE_CHECKING:
    from .chunks import Chunk, FileSummary, Source, read_events
    from .dijet import DijetProcessor
    from .filesets import Dataset, FileSet, datasets
    from .jetwise import JetProcessor
    from .layouts import LAYOUTS, Layout, layout_from
    from .leptons import LeptonProcessor
    from .lhco import LhcoSource
    from .monitor import Monitor, Status
    from .multijet import MultijetProcessor
    from .parquet import ParquetSource
    from .partitions import from_uhi, to_uhi
    from .processor import PROCESSORS, ColumnProcessor, make_processor
    from .root import RootSource
    from .run import ColumnSet, ProcessingReport, process
    from .systematics import JetVariations

__all__ = [
    "LAYOUTS",
    "PROCESSORS",
    "Chunk",
    "ColumnProcessor",
    "ColumnSet",
    "Dataset",
    "DijetProcessor",
    "FileSet",
    "FileSummary",
    "JetProcessor",
    "JetVariations",
    "Layout",
    "LeptonProcessor",
    "LhcoSource",
    "Monitor",
    "MultijetProcessor",
    "ParquetSource",
    "ProcessingReport",
    "RootSource",
    "Source",
    "Status",
    "datasets",
    "from_uhi",
    "layout_from",
    "make_processor",
    "process",
    "read_events",
    "to_uhi",
]

__getattr__, __dir__ = lazy_door(__name__)
