"""The check by which hyperparameters refuse values that cannot be used."""

from __future__ import annotations

from typing import Any

from ..core import ConfigError

__all__ = ["refuse_unusable"]


def refuse_unusable(of: str, hyper: Any, **allowed: bool) -> None:
    """Refuse hyperparameters with a value that is not allowed.

    Parameters
    ----------
    of : str
        What they belong to, in the message.
    hyper : dataclass
        The hyperparameters.
    **allowed : bool
        By name, whether the value can be used.

    Raises
    ------
    ConfigError
        If one cannot.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Trees:
    ...     leaves: int = 31
    ...
    ...     def __post_init__(self):
    ...         refuse_unusable("trees", self, leaves=self.leaves >= 2)
    >>> Trees(leaves=1)
    Traceback (most recent call last):
        ...
    overdensity.core.errors.ConfigError: trees: leaves = 1 cannot be used
    """
    for name, good in allowed.items():
        if not good:
            msg = f"{of}: {name} = {getattr(hyper, name)!r} cannot be used"
            raise ConfigError(msg)
