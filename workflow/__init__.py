"""What a user types: configuration, clusters, the search from end to end, the report.

`load_config` reads a search from YAML and `run_search` does it; the command line
(`overdensity --help`) offers the same, whole or step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_door

if TYPE_CHECKING:
    from .cluster.connecting import connect
    from .config.reading import load_config, parse_config
    from .config.search import SearchConfig
    from .report.report import write_report
    from .search_run import run_search
    from .stages.search_result import SearchResults

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
