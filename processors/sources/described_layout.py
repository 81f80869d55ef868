"""A layout of one's own, as the configuration describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ...core import ConfigError, nearest_names
from .branches import Branch, Extra, ObjectBranches, Quantity
from .layout import COLLECTIONS, Layout

__all__ = ["layout_from"]


def layout_from(values: Mapping[str, Any]) -> Layout:
    """Return the layout that a user describes in YAML.

    Parameters
    ----------
    values : mapping
        ``tree`` (or ``trees``); ``collections``, a mapping of names of `COLLECTIONS` to what
        `ObjectBranches` has, or to a list of that; and what `Layout` has besides. A quantity is the name
        of a branch, a mapping of what `Quantity` has, or a list of such.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or a value of the wrong kind.

    Examples
    --------
    >>> layout = layout_from(
    ...     {
    ...         "tree": "ntuple",
    ...         "collections": {"jets": {"pt": "jpt", "eta": "jeta", "phi": "jphi", "unit": 1e-3}},
    ...         "numbers": ["run", "lumi", "evt"],
    ...     }
    ... )
    >>> sorted(layout.branches(["jets"]))
    ['evt', 'jeta', 'jphi', 'jpt', 'lumi', 'run']
    """
    where = "layout"
    known = {"tree", *(f.name for f in fields(Layout))}
    given = _checked(values, known, where)
    trees = _names(given.get("trees", given.get("tree", ())), f"{where}.tree")
    if not isinstance(given.get("collections"), Mapping) or not given["collections"]:
        msg = f"{where}.collections: say where the particles or jets are, one key a collection"
        raise ConfigError(msg)
    collections = {
        name: _objects(each, f"{where}.collections.{name}")
        for name, each in _checked(
            given["collections"], set(COLLECTIONS), f"{where}.collections"
        ).items()
    }
    numbers = tuple(_branch(x, f"{where}.numbers") for x in _listed(given.get("numbers", ())))
    if len(numbers) > 3:
        msg = f"{where}.numbers has {len(numbers)} branches; run, luminosity block, event: up to 3"
        raise ConfigError(msg)
    sums = given.get("sum_weights")
    if sums is not None:
        sums = _checked(sums, {"tree", "branch"}, f"{where}.sum_weights", all_of_them=True)
        sums = (str(sums["tree"]), _branch(sums["branch"], f"{where}.sum_weights.branch"))
    return Layout(
        str(given.get("name", "own")),
        trees,
        collections,
        numbers=numbers,
        sum_weights=sums,
        event=_branch(given["event"], f"{where}.event") if "event" in given else None,
        channel=_branch(given["channel"], f"{where}.channel") if "channel" in given else None,
        **{
            key: _quantity(given[key], f"{where}.{key}")
            for key in ("weight", "label", "rho")
            if key in given
        },
    )


def _objects(values: Any, where: str) -> tuple[ObjectBranches, ...]:
    result: list[ObjectBranches] = []
    for each in _listed(values):
        given = _checked(each, {f.name for f in fields(ObjectBranches)}, where)
        for key in ("pt", "eta", "phi"):
            if key not in given:
                msg = f"{where}.{key} is missing: the name of a branch"
                raise ConfigError(msg)
        extras: dict[str, Extra] = {}
        for name, extra in _mapping(given.pop("extras", {}), f"{where}.extras").items():
            place = f"{where}.extras.{name}"
            if isinstance(extra, int | float):
                extras[str(name)] = float(extra)
            else:
                extras[str(name)] = tuple(_quantity(q, place) for q in _listed(extra))
        unit = _number(given.pop("unit", 1.0), f"{where}.unit")
        branches = {key: _branch(x, f"{where}.{key}") for key, x in given.items()}
        result.append(ObjectBranches(**branches, unit=unit, extras=extras))
    return tuple(result)


def _quantity(values: Any, where: str) -> Quantity:
    if not isinstance(values, Mapping):
        return Quantity(_branch(values, where))
    given = _checked(values, {f.name for f in fields(Quantity)}, where)
    if "branch" not in given:
        msg = f"{where}.branch is missing: the name of a branch"
        raise ConfigError(msg)
    branch = _branch(given.pop("branch"), f"{where}.branch")
    numbers = {key: _number(x, f"{where}.{key}") for key, x in given.items() if x is not None}
    for key in numbers.keys() & {"index", "mask"}:
        numbers[key] = int(numbers[key])
    if "over_pt" in numbers:
        numbers["over_pt"] = bool(numbers["over_pt"])
    return Quantity(branch, **numbers)


def _branch(value: Any, where: str) -> Branch:
    spellings = _listed(value)
    for x in spellings:
        if isinstance(x, bool) or not isinstance(x, str | int | float):
            msg = f"{where} is {x!r}; it takes the name of a branch"
            raise ConfigError(msg)
    return tuple(spellings) if len(spellings) > 1 else spellings[0]


def _checked(
    values: Any, known: set[str], where: str, *, all_of_them: bool = False
) -> dict[str, Any]:
    given = dict(_mapping(values, where))
    for key in given:
        if key not in known:
            msg = f"{where} has no key {key!r}: {nearest_names(str(key), known)}"
            raise ConfigError(msg)
    if all_of_them and (lacks := known - given.keys()):
        msg = f"{where} lacks {', '.join(sorted(lacks))}"
        raise ConfigError(msg)
    return given


def _mapping(values: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(values, Mapping):
        msg = f"{where} is {values!r}; it takes keys and values"
        raise ConfigError(msg)
    return values


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _names(value: Any, where: str) -> tuple[str, ...]:
    names = _listed(value)
    if not all(isinstance(name, str) for name in names):
        msg = f"{where} is {value!r}; it takes the name of a tree"
        raise ConfigError(msg)
    return tuple(names)


def _number(value: Any, where: str) -> Any:
    if not isinstance(value, int | float):
        msg = f"{where} is {value!r}; it takes a number"
        raise ConfigError(msg)
    return value
