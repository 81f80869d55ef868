"""Classes by their names: ours are found when first asked for, others come with their packages."""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Generic, TypeVar

from ..core import ConfigError, extra_for, nearest_names

__all__ = ["Listing", "Registry"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
ClassT = TypeVar("ClassT", bound=type)


@dataclass(frozen=True)
class Listing:
    """What the source of a registered class says, without importing it.

    Attributes
    ----------
    name : str
        The name it is registered by.
    module : str
        Where it is.
    summary : str
        First line of its docstring.
    attributes : dict
        Class attributes that are plain values.
    """

    name: str
    module: str
    summary: str
    attributes: dict[str, Any]


class Registry(Generic[T]):
    """Classes of one kind by name.

    A class is registered by a decorator above it. Modules of a package are searched for that
    decorator without being imported; a module is imported when one of its classes is asked for. So
    a new class is one file, and what it needs is loaded by those alone who use it. Classes of other
    packages are registered by importing them, or found through an entry point.

    Parameters
    ----------
    what : str
        What the classes are, in messages.
    package : str
        The package to be searched, with all that is below it.
    decorator : str
        Name of the decorator.
    group : str
        Group of entry points.

    Examples
    --------
    >>> registry = Registry(
    ...     "kind of tree", package="overdensity.ml", decorator="register_tree", group="my.trees"
    ... )
    >>> class Oak:
    ...     pass
    >>> registry.add("oak", Oak)
    >>> registry.names()
    ['oak']
    >>> registry["oka"]
    Traceback (most recent call last):
        ...
    overdensity.core.errors.ConfigError: no kind of tree is called 'oka'; did you mean 'oak'?
    """

    def __init__(self, what: str, *, package: str, decorator: str, group: str) -> None:
        self.what, self.package, self.decorator, self.group = what, package, decorator, group
        self._known: dict[str, Any] = {}

    def add(self, name: str, found: Any) -> None:
        """Register a class; defined once more in the same place, as in a notebook, it is replaced.

        Raises
        ------
        ConfigError
            If another class has this name already.
        """
        other = self._known.get(name)
        here = f"{found.__module__}.{found.__qualname__}"
        there = None if other is None else f"{other.__module__}.{other.__qualname__}"
        ours = self.listings.get(name)
        if there is None and ours is not None and ours.module != found.__module__:
            there = ours.module
        if there is not None and there != here:
            msg = f"two {self.what}s are called {name!r}: {there} and {here}; rename one"
            raise ConfigError(msg)
        self._known[name] = found

    def decorated(self, name: str) -> Callable[[ClassT], ClassT]:
        """Return the decorator that registers a class under a name, and gives it this ``name``."""

        def decorate(found: ClassT) -> ClassT:
            found.name = name  # type: ignore[attr-defined]
            self.add(name, found)
            return found

        return decorate

    def __getitem__(self, name: str) -> Any:
        """Return the class of a name, imported now if it was not.

        Raises
        ------
        ConfigError
            If there is none, or another package's cannot be imported.
        MissingExtraError
            If ours needs a package that is not installed.
        """
        if name not in self._known and name in self.listings:
            with extra_for(f"{self.what} {name!r}"):
                import_module(self.listings[name].module)
        if name in self._known:
            return self._known[name]
        for entry in self._entries():
            if entry.name == name:
                self.add(name, _loaded(self.what, entry))
                return self._known[name]
        msg = f"no {self.what} is called {name!r}; {nearest_names(name, self.names())}"
        raise ConfigError(msg)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a class of this name."""
        return name in self.names()

    def names(self) -> list[str]:
        """Return all names, ordered."""
        return sorted({*self._known, *self.listings, *(entry.name for entry in self._entries())})

    def usable(self) -> list[str]:
        """Return all names but those of other packages' classes that cannot be imported."""
        ours = {*self._known, *self.listings}
        for entry in self._entries():
            if entry.name in ours:
                continue
            try:
                self.add(entry.name, _loaded(self.what, entry))
            except ConfigError as error:
                logger.warning("%s", error)
        return sorted({*self._known, *self.listings})

    @cached_property
    def listings(self) -> dict[str, Listing]:
        """Our own classes by name, as the sources of the package have them."""
        found: dict[str, Listing] = {}
        for module, source in _sources(files(self.package), self.package):
            if self.decorator not in source:
                continue
            for node in ast.parse(source).body:
                name = self._name_of(node)
                if name is None or not isinstance(node, ast.ClassDef):
                    continue
                summary = (ast.get_docstring(node) or "").partition("\n")[0]
                found[name] = Listing(name, module, summary, dict(_plain_values(node)))
        return found

    def _entries(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))

    def _name_of(self, node: ast.stmt) -> str | None:
        """Return the name under which a class statement registers, if it does."""
        for call in getattr(node, "decorator_list", ()):
            if not isinstance(call, ast.Call) or len(call.args) != 1:
                continue
            (argument,) = call.args
            called = getattr(call.func, "id", getattr(call.func, "attr", None))
            if called == self.decorator and isinstance(argument, ast.Constant):
                return str(argument.value)
        return None


def _loaded(what: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # whatever a package of others raises
        msg = f"{what} {entry.name!r} of {entry.value!r} cannot be used: {error}"
        raise ConfigError(msg) from error


def _sources(folder: Traversable, package: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the source of each module of a package and of those below it."""
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if path.is_dir():
            yield from _sources(path, f"{package}.{path.name}")
        elif path.name.endswith(".py"):
            yield f"{package}.{path.name[:-3]}", path.read_text(encoding="utf-8")


def _plain_values(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name, value = line.target.id, line.value
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            name, value = line.targets[0].id, line.value
        else:
            continue
        try:
            yield name, ast.literal_eval(value)  # type: ignore[arg-type]
        except (ValueError, TypeError):
            continue
