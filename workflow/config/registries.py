"""Names in a configuration that stand for something registered in another room.

One line for each registry; what is registered there, also by an installed package, can be named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from ...core import nearest_names

__all__ = ["FormatName", "FunctionName", "MethodName", "ProcessorName"]

_FORMAT_WORDS = ("auto", "columns")  # told from the names of the files; nothing to process


def _format(name: str) -> str:
    from ...processors.sources.source import SOURCES  # noqa: PLC0415 - registries are opened when needed

    return (
        name
        if name in _FORMAT_WORDS
        else _known("format", name, [*_FORMAT_WORDS, *SOURCES.names()])
    )


def _function(name: str) -> str:
    from ...stats.spectra.functions import FUNCTIONS  # noqa: PLC0415

    return _known("background function", name, FUNCTIONS.names())


def _method(name: str) -> str:
    from ...ml.method import METHODS  # noqa: PLC0415

    return _known("method", name, METHODS.names())


def _processor(name: str) -> str:
    from ...processors import PROCESSORS  # noqa: PLC0415

    return _known("processor", name, PROCESSORS.names())


def _known(kind: str, name: str, names: Iterable[str]) -> str:
    """Return a name that is there, or refuse it with the nearest ones."""
    names = list(names)
    if name not in names:
        msg = f"no {kind} {name!r}: {nearest_names(name, names)}"
        raise ValueError(msg)
    return name


FormatName = Annotated[str, AfterValidator(_format)]
FunctionName = Annotated[str, AfterValidator(_function)]
MethodName = Annotated[str, AfterValidator(_method)]
ProcessorName = Annotated[str, AfterValidator(_processor)]
