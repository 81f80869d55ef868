"""What a user types: configuration, clusters, the search from end to end, the report.

`load_config` reads a search from YAML and `run_search` does it; the command line
(`overdensity --help`) offers the same, whole or step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door

if TYPE_CHECKING:
    from .cluster import connect
    from .config import SearchConfig, load_config, parse_config
    from .report import write_report
    from .results import SearchResults
    from .search import run_search

__all__ = [
    "SearchConfig",
    "SearchResults",
    "connect",
    "load_config",
    "parse_config",
    "run_search",
    "write_report",
]

__getattr__, __dir__ = lazy_door(__name__)
