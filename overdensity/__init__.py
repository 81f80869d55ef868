"""Overdensity: from collision-event files to a calibrated global p-value.

`search` does what ``overdensity run`` does, and `read_run` reads what a finished one has written.
The rooms of the house are libraries by themselves: `overdensity.processors`, `overdensity.ml`,
`overdensity.stats`, `overdensity.simulation` and `overdensity.workflow`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from overdensity.core.lazy import lazy_door
from overdensity.core.numba_cache import find_numba_cache

if TYPE_CHECKING:
    from overdensity.workflow.from_python import read_run, search

    __version__: str

__all__ = ["__version__", "read_run", "search"]

_imported, __dir__ = lazy_door(__name__)
find_numba_cache()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - reads a folder of files

        return version("overdensity")
    return _imported(name)
