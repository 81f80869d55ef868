"""Things that a configuration names: ours are found in a package, others by entry points."""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from threading import RLock
from typing import Any, TypeVar

from .errors import ConfigError, nearest_names
from .extras import extra_for

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


class Registry(Mapping[str, T]):
    """Everything of one kind, by name; a mapping that is complete whenever it is read.

    Our own register themselves when their module is imported, by a decorator or by `add`, so that
    a new one is one file. All modules of ``package`` are imported at the first look for a name that
    is not there yet; with ``decorator`` their sources are read in place of that, and the one module
    is imported whose class is asked for. So what a class needs is loaded by those alone who use it.

    Things of other packages are registered by importing them, or found through an entry point: it
    leads to the thing itself, which has the entry's name as its ``name``, or to a module that
    registers it. Iteration leaves out those that cannot be loaded, with a warning.

    Parameters
    ----------
    kind : str
        What they are, for messages: ``"processor"``.
    package : str
        The package with our own, all the way down; empty: nothing is looked for.
    group : str
        The group of entry points; empty: none.
    decorator : str
        Name of the decorator by which classes register, if they are to be imported one by one.
    unknown : str
        What is said of a name that is not there, with the fields ``kind``, ``name``, ``nearest``.

    Examples
    --------
    >>> shapes = Registry[type]("shape")
    >>> @shapes.decorated("disc")
    ... class Disc:
    ...     pass
    >>> list(shapes), shapes["disc"].name
    (['disc'], 'disc')
    >>> shapes.find("disk")
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: no shape 'disk': did you mean 'disc'?
    """

    def __init__(
        self,
        kind: str,
        *,
        package: str = "",
        group: str = "",
        decorator: str = "",
        unknown: str = "no {kind} {name!r}: {nearest}",
    ) -> None:
        self.kind, self.package, self.group = kind, package, group
        self.decorator, self.unknown = decorator, unknown
        self._known: dict[str, T] = {}
        self._broken: set[str] = set()
        self._imported, self._importing = False, RLock()

    def add(self, name: str, item: Any) -> None:
        """Make an item known by its name.

        A class that is defined once more in the same place, as in a notebook, replaces the old one.

        Raises
        ------
        ConfigError
            If another item has this name already.
        """
        here, listed = _place(item), self.listings.get(name)
        if name in self._known:
            other = self._known[name]
            there = _place(other)
            same = other == item or (bool(here) and here == there)
        else:
            there = listed.module if listed else ""
            same = not listed or listed.module == item.__module__
        if not same:
            places = f": {there} and {here}" if here and there else ""
            msg = f"two {self.kind}s are called {name!r}{places}; rename one"
            raise ConfigError(msg)
        self._known[name] = item

    def decorated(self, name: str) -> Callable[[ClassT], ClassT]:
        """Return the decorator that registers a class under a name, and gives it this ``name``.

        A class of another package is named under the entry points of the registry's ``group`` too,
        so that it is found without being imported first.

        Raises
        ------
        ConfigError
            If another class has this name already.
        """

        def decorate(found: ClassT) -> ClassT:
            self.add(name, found)
            found.name = name  # type: ignore[attr-defined]
            return found

        return decorate

    def remove(self, name: str) -> None:
        """Forget an item that was registered in this process.

        Raises
        ------
        ConfigError
            If there is none so named.
        """
        self.find(name)
        del self._known[name]

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
            If there is none of this name, with the nearest ones, or another package's cannot be
            loaded.
        MissingExtraError
            If ours needs a package that is not installed.
        """
        try:
            return self[name]
        except KeyError:
            nearest = nearest_names(name, [*beside, *self.names()])
            msg = self.unknown.format(kind=self.kind, name=name, nearest=nearest)
            raise ConfigError(msg) from None

    def names(self) -> list[str]:
        """Return all names, ordered, without loading what is of other packages."""
        return sorted({*self._known, *self._ours(), *self._others})

    def __getitem__(self, name: str) -> T:
        if name not in self._known and name in self._ours() and name in self.listings:
            with extra_for(f"{self.kind} {name!r}"):
                import_module(self.listings[name].module)
        if name not in self._known and name in self._others:
            self._load(self._others[name])
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self.names()

    def __iter__(self) -> Iterator[str]:
        ours = {*self._known, *self._ours()}
        for name in {*self._others} - ours - self._broken:
            try:
                self._load(self._others[name])
            except ConfigError as error:
                self._broken.add(name)
                logger.warning("%s", error)
        return iter(sorted({*ours, *self._known}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @cached_property
    def listings(self) -> dict[str, Listing]:
        """Our own classes by name, as the sources have them; none without ``decorator``."""
        if not self.decorator:
            return {}
        sources = _sources(files(self.package), self.package)
        read = [_listed(*each, self.decorator) for each in sources if self.decorator in each[1]]
        return {listing.name: listing for found in read for listing in found}

    def _ours(self) -> Mapping[str, Any]:
        """Return what is ours: listed in the sources, or known since all of it is imported."""
        if self.decorator:
            return self.listings
        if self.package:
            with self._importing:  # another thread would see what is known so far
                if not self._imported:
                    self._imported = True  # beforehand: what is imported may look, too
                    for module, _ in _sources(files(self.package), self.package):
                        import_module(module)
        return self._known

    @cached_property
    def _others(self) -> dict[str, EntryPoint]:
        """What installed packages offer."""
        return {entry.name: entry for entry in entry_points(group=self.group)} if self.group else {}

    def _load(self, entry: EntryPoint) -> None:
        """Make known what an entry point leads to."""
        try:
            item = entry.load()
            if entry.name not in self._known and getattr(item, "name", None) == entry.name:
                self.add(entry.name, item)
            problem = "" if entry.name in self._known else "it registers nothing of this name"
        except Exception as error:  # noqa: BLE001 - whatever a package of others raises
            problem = str(error)
        if problem:
            msg = f"{self.kind} {entry.name!r} of {entry.value!r} cannot be used: {problem}"
            raise ConfigError(msg)


def _place(item: Any) -> str:
    """Return where a class is; nothing of an object, which does not know."""
    return f"{item.__module__}.{item.__qualname__}" if isinstance(item, type) else ""


def _sources(folder: Traversable, package: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the source of each module of a package and of those below it."""
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if path.is_dir():
            yield from _sources(path, f"{package}.{path.name}")
        elif path.name.endswith(".py") and path.name != "__init__.py":
            yield f"{package}.{path.name[:-3]}", path.read_text(encoding="utf-8")


def _listed(module: str, source: str, decorator: str) -> Iterator[Listing]:
    """Yield what a source says of the classes that register in it."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for call in node.decorator_list:
            if not isinstance(call, ast.Call) or len(call.args) != 1:
                continue
            (argument,) = call.args
            called = getattr(call.func, "id", getattr(call.func, "attr", None))
            if called == decorator and isinstance(argument, ast.Constant):
                summary = (ast.get_docstring(node) or "").partition("\n")[0]
                values = dict(_plain_values(node))
                yield Listing(str(argument.value), module, summary, values)


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
