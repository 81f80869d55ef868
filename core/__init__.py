"""The ground all rooms stand on: errors, records and progress; no physics."""

from __future__ import annotations

from .errors import (
    ConfigError,
    FitError,
    InputError,
    MissingExtraError,
    OverdensityError,
    nearest_names,
)
from .progress_bar import progress
from .records import Record

__all__ = [
    "ConfigError",
    "FitError",
    "InputError",
    "MissingExtraError",
    "OverdensityError",
    "Record",
    "nearest_names",
    "progress",
]
