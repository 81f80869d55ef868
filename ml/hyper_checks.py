"""The check by which hyperparameters refuse values that cannot be used."""

from __future__ import annotations

import inspect
import re
from typing import Any

from ..core import ConfigError

__all__ = ["meaning", "refuse_unusable", "section"]


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
        If one cannot; says what it is.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Trees:
    ...     '''Hyperparameters.
    ...
    ...     Attributes
    ...     ----------
    ...     leaves : int
    ...         Of a tree; two at least.
    ...     '''
    ...
    ...     leaves: int = 31
    ...
    ...     def __post_init__(self):
    ...         refuse_unusable("trees", self, leaves=self.leaves >= 2)
    >>> Trees(leaves=1)
    Traceback (most recent call last):
        ...
    overdensity.core.errors.ConfigError: trees: leaves = 1 cannot be used (Of a tree; two at least.)
    """
    for name, good in allowed.items():
        if not good:
            msg = f"{of}: {name} = {getattr(hyper, name)!r} cannot be used"
            words = meaning(type(hyper), name)
            raise ConfigError(f"{msg} ({words})" if words else msg)


def section(hyper: Any) -> str:
    """Return what the configuration calls hyperparameters of a class of its own.

    Examples
    --------
    >>> class TagNTrainHyper: ...
    >>> section(TagNTrainHyper())
    'tag_n_train'
    """
    name = type(hyper).__name__.removesuffix("Hyper")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def meaning(hyper: type, name: str) -> str:
    """Return what the docstring of a class, or of one that it comes from, says of an attribute: its choices, its words.

    Examples
    --------
    >>> class Flow:
    ...     '''A flow.
    ...
    ...     Attributes
    ...     ----------
    ...     layers, width : int
    ...         How many there are, and
    ...         how wide.
    ...     '''
    >>> meaning(Flow, "width"), meaning(Flow, "depth")
    ('How many there are, and how wide.', '')
    """
    for each in hyper.__mro__:
        text = inspect.cleandoc(each.__doc__ or "")
        for names, kind, words in re.findall(
            r"^(\w+(?:, \w+)*) : (.*)\n((?:    .*\n?)+)", text, re.MULTILINE
        ):
            if name in names.split(", "):
                choices = f"{kind}. " if kind.startswith("{") else ""
                plain = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", words).replace("`", "")
                return choices + " ".join(plain.split())
    return ""
