"""Things that a configuration names: ours by a walk through a package, others by entry points."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, TypeVar

from .errors import ConfigError, nearest_names

__all__ = ["Registry"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Everything of one kind, by name; a mapping that is complete whenever it is read.

    Our own register themselves when their module is imported (`add`, mostly by a decorator), so
    that a new one is one file. The modules of `package` are imported at the first look for a name
    that is not there yet, and so are the entry points that installed packages have in `group`: an
    entry point leads to a module or a class that registers itself under the entry's name.

    Parameters
    ----------
    kind : str
        What they are, for messages: ``"processor"``.
    package : str
        The package with our own, all the way down; empty: nothing is looked for.
    group : str
        The group of entry points; empty: none.

    Examples
    --------
    >>> shapes = Registry[type]("shape", package="", group="")
    >>> shapes.add("disc", int)
    >>> shapes.find("disk")
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: no shape 'disk': did you mean 'disc'?
    """

    def __init__(self, kind: str, *, package: str, group: str) -> None:
        self._kind, self._package, self._group = kind, package, group
        self._known: dict[str, T] = {}
        self._complete = False

    def add(self, name: str, item: T) -> None:
        """Make an item known by its name.

        Raises
        ------
        ConfigError
            If another item has this name already.
        """
        other = self._known.setdefault(name, item)
        if other is not item:
            msg = (
                f"two {self._kind}s are called {name!r}: {_place(other)} and {_place(item)}; "
                "rename one"
            )
            raise ConfigError(msg)

    def find(self, name: str, *, beside: tuple[str, ...] = ()) -> T:
        """Return the item of a name that a user gave.

        Parameters
        ----------
        name : str
            The name.
        beside : tuple of str
            Names with a meaning of their own (``auto``), for the message.

        Raises
        ------
        ConfigError
            If there is none of this name; says the nearest ones.
        """
        try:
            return self[name]
        except KeyError:
            msg = f"no {self._kind} {name!r}: {nearest_names(name, [*beside, *self])}"
            raise ConfigError(msg) from None

    def __getitem__(self, name: str) -> T:
        if name not in self._known:
            self._look()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(sorted(self._known))

    def __len__(self) -> int:
        self._look()
        return len(self._known)

    def _look(self) -> None:
        """Import everything that registers itself, once."""
        if self._complete:
            return
        self._complete = True
        if self._package:
            package = importlib.import_module(self._package)
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                importlib.import_module(module.name)
        for entry in entry_points(group=self._group) if self._group else ():
            if entry.name in self._known:
                continue
            try:
                entry.load()
                problem = "" if entry.name in self._known else "it registers nothing of this name"
            except Exception as error:  # noqa: BLE001 - a broken plug-in must not break the others
                problem = str(error)
            if problem:
                logger.warning(
                    "%s %r of %r cannot be used: %s", self._kind, entry.name, entry.value, problem
                )


def _place(item: Any) -> str:
    """Return where an item is from."""
    kind = item if hasattr(item, "__qualname__") else type(item)
    return f"{kind.__module__}.{kind.__qualname__}"
