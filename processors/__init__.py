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
    from .chunks import Chunk, FileSummary
    from .described_layout import layout_from
    from .dijet import DijetProcessor
    from .filesets import Dataset, FileSet, datasets
    from .histograms import from_uhi, to_uhi
    from .jetwise import JetProcessor
    from .layout import Layout
    from .layouts import LAYOUTS, register_layout
    from .leptons import LeptonProcessor
    from .lhco import LhcoSource
    from .monitor import Monitor, Status
    from .multijet import MultijetProcessor
    from .parquet import ParquetSource
    from .processor import ColumnProcessor
    from .registry import PROCESSORS, make_processor, register_processor
    from .root import RootSource
    from .run import ColumnSet, ProcessingReport, process
    from .source import SOURCES, Source, make_source, read_events, register_source
    from .systematics import JetVariations

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

__getattr__, __dir__ = lazy_door(__name__)
