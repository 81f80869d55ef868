"""Event files → columns: sources that read events, and coffea processors that describe them.

`process` does it all: it cuts files into chunks, runs a processor on each wherever a coffea
executor puts it, and leaves one Parquet partition a chunk. The parts can be used by themselves:
a source reads a `Chunk` of a file as coffea-style events, and `DijetProcessor` also drops into a
`coffea.processor.Runner`.
"""

from __future__ import annotations

from .chunks import Chunk, FileSummary, Source, read_events
from .dijet import DijetProcessor
from .lhco import LhcoSource
from .partitions import from_uhi, to_uhi
from .root import DelphesEFlow, PFNano, RootSource
from .run import ProcessingReport, process

__all__ = [
    "Chunk",
    "DelphesEFlow",
    "DijetProcessor",
    "FileSummary",
    "LhcoSource",
    "PFNano",
    "ProcessingReport",
    "RootSource",
    "Source",
    "from_uhi",
    "process",
    "read_events",
    "to_uhi",
]
