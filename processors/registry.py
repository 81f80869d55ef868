"""The processors by name, as the configuration has them.

A processor is one file: a frozen dataclass that inherits from `ColumnProcessor`, with
``@register_processor`` above it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..core import ConfigError, nearest_names
from ..core.registry import Registry
from .base import ColumnProcessor

__all__ = ["PROCESSORS", "make_processor", "register_processor"]

ProcessorT = TypeVar("ProcessorT", bound="type[ColumnProcessor]")

PROCESSORS: Registry[type[ColumnProcessor]] = Registry(
    "processor", package="overdensity.processors.final_states", group="overdensity.processors"
)
"""The processors by name: ours, and those of installed packages (entry points)."""


def register_processor(name: str) -> Callable[[ProcessorT], ProcessorT]:
    """Make a processor known by its name; a class decorator.

    Raises
    ------
    ConfigError
        If another class has this name already.

    Examples
    --------
    >>> sorted(PROCESSORS)
    ['dijet', 'jets', 'leptons', 'multijet']
    >>> PROCESSORS["dijet"].name
    'dijet'
    """
    return PROCESSORS.decorated(name)


def make_processor(name: str, **options: Any) -> ColumnProcessor:
    """Make a processor by its name in the configuration.

    Parameters
    ----------
    name : str
        A key of `PROCESSORS`.
    **options
        Its settings.

    Raises
    ------
    ConfigError
        If the name, an option or the value of one is not known.

    Examples
    --------
    >>> make_processor("dijet", radius=0.8).radius
    0.8
    >>> make_processor("dijet", radios=0.8)
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: the dijet processor has no option 'radios': did you mean 'radius'?
    """
    processor = PROCESSORS.find(name)
    known = processor.options()
    for option in options:
        if option not in known:
            msg = f"the {name} processor has no option {option!r}: {nearest_names(option, known)}"
            raise ConfigError(msg)
    return processor(**options)
