"""Front doors that open on demand: a package imports a module when its name is asked for.

A door lists its public names in ``__all__`` and imports them under ``if TYPE_CHECKING:``, where type
checkers and readers see them. :func:`lazy_door` reads these very statements (PEP 562), so that no
name is written in a second place: ``import overdensity.stats`` costs milliseconds, and a command
line that prints its help loads nothing but itself. Modelled on ``lazy_loader.attach_stub`` of
scientific-python (SPEC 1), which reads them from a file beside the door, and leaves in ``dir()`` what
the package has imported on the way.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from .extras import extra_for

__all__ = ["lazy_door", "lazy_imports"]


def lazy_door(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names are imported on demand.

    Parameters
    ----------
    package : str
        The ``__name__`` of the package that calls this. What stands in its ``__init__.py`` under
        ``if TYPE_CHECKING:`` are statements ``from module import name``, one for each module.

    Returns
    -------
    tuple of callable
        ``__getattr__(name)`` imports a name and keeps it; where its module needs an extra that is
        not installed it raises a `MissingExtraError`. ``__dir__()`` returns ``__all__``.

    Examples
    --------
    In ``stats/__init__.py``::

        if TYPE_CHECKING:
            from .hunting import hunt

        __all__ = ["hunt"]

        __getattr__, __dir__ = lazy_door(__name__)
    """
    door = sys.modules[package]
    imports = lazy_imports(cast("Any", door.__spec__).loader.get_source(package))

    def get(name: str) -> Any:
        if name not in imports:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg, name=name, obj=door)
        module, there = imports[name]
        with extra_for(f"{package}.{name}"):
            value = getattr(import_module(module, package), there)
        setattr(door, name, value)
        return value

    return get, lambda: sorted(door.__all__)


def lazy_imports(source: str) -> dict[str, tuple[str, str]]:
    r"""Return what a door imports under ``if TYPE_CHECKING:``.

    Parameters
    ----------
    source : str
        Text of the door.

    Returns
    -------
    dict of str to (str, str)
        For each name its module, relative to the door (``".hunting"``), and its name there.

    Examples
    --------
    >>> lazy_imports("if TYPE_CHECKING:\n    from .spectrum import fit as smooth_fit")
    {'smooth_fit': ('.spectrum', 'fit')}
    """
    return {
        alias.asname or alias.name: ("." * statement.level + (statement.module or ""), alias.name)
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
