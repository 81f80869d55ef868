"""Event files → columns: sources that read events, and coffea processors that describe them.

`process` does it all: it cuts files into chunks, runs a processor on each wherever a coffea
executor puts it, and leaves one Parquet partition a chunk. The parts can be used by themselves:
a source reads a `Chunk` of a file as coffea-style events, and processors also drop into a
`coffea.processor.Runner` of one's own.
"""

from __future__ import annotations

from .base import PROCESSORS, ColumnProcessor, make_processor
from .calibration.variations import JetVariations
from .columns.monitor import Monitor, Status
from .columns.partitions import from_uhi, to_uhi
from .driver import ColumnSet, ProcessingReport, process
from .final_states.dijet import DijetProcessor
from .final_states.leptons import LeptonProcessor
from .final_states.multijet import MultijetProcessor
from .final_states.single_jets import JetProcessor
from .sources.chunks import Chunk, FileSummary, Source, read_events
from .sources.filesets import Dataset, FileSet, datasets
from .sources.known_layouts import LAYOUTS, Layout, layout_from
from .sources.lhco import LhcoSource
from .sources.parquet import ParquetSource
from .sources.root import RootSource

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
