"""What all other folders use: errors, records, progress and identity; no physics objects."""

from __future__ import annotations

from .errors import (
    ConfigError,
    FitError,
    InputError,
    MissingExtraError,
    OverdensityError,
    first_line,
    nearest_names,
)
from .extras import extra_for, require
from .progress_bar import progress
from .records import Record

__all__ = [
    "ConfigError",
    "FitError",
    "InputError",
    "MissingExtraError",
    "OverdensityError",
    "Record",
    "extra_for",
    "first_line",
    "nearest_names",
    "progress",
    "require",
]


def __dir__() -> list[str]:
    """Return the public names, as the doors do that open on demand."""
    return sorted(__all__)
