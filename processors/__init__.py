"""Event files → columns: sources that read events, and coffea processors that describe them.

`process` does it all: it cuts files into chunks, runs a processor on each wherever a coffea
executor puts it, and leaves one Parquet partition a chunk. The parts can be used by themselves:
a source reads a `Chunk` of a file as coffea-style events, and processors also drop into a
`coffea.processor.Runner` of one's own.
"""

from __future__ import annotations

from .base import ColumnProcessor
from .calibration.variations import JetVariations
from .columns.histograms import from_uhi, to_uhi
from .columns.monitor import Monitor, Status
from .driver import ColumnSet, ProcessingReport, process
from .final_states.dijet import DijetProcessor
from .final_states.leptons import LeptonProcessor
from .final_states.multijet import MultijetProcessor
from .final_states.single_jets import JetProcessor
from .registry import PROCESSORS, make_processor, register_processor
from .sources.chunks import Chunk, FileSummary
from .sources.described_layout import layout_from
from .sources.filesets import Dataset, FileSet, datasets
from .sources.known_layouts import LAYOUTS, register_layout
from .sources.layout import Layout
from .sources.lhco import LhcoSource
from .sources.parquet import ParquetSource
from .sources.root import RootSource
from .sources.source import SOURCES, Source, make_source, read_events, register_source

__all__ = [
    "LAYOUTS",
    "PROCESSORS",
    "SOURCES",
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
    "make_source",
    "process",
    "read_events",
    "register_layout",
    "register_processor",
    "register_source",
    "to_uhi",
]
