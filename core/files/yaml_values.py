"""YAML that people write: one meaning, each key once, and a size that can be read.

It is read by the core schema of YAML 1.2, where ``1e-3`` is a number, ``010`` is ten, and ``1:30``,
``no`` and ``2024-01-01`` are words; beside that, ``1_000`` is a thousand, as in Python. Safe types alone are made of it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigError

__all__ = ["yaml_file", "yaml_text", "yaml_value"]

_BYTES = 2_000_000  # ten seconds of reading
_NODES = 200_000  # of a YAML text, anchors written out
_DEPTH = 60
_DIGITS = 400  # a number has fewer

_INTEGER = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_CORE = "tag:yaml.org,2002:"
_MERGE = f"{_CORE}merge"


def yaml_file(path: str | os.PathLike[str], *, kind: str) -> Any:
    """Return what a YAML file holds.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What it should be, as the sentence ends: ``"configuration file"``.

    Raises
    ------
    ConfigError
        If it is missing, too large or not YAML, or a key stands twice in it.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_BYTES + 1)
        if len(content) > _BYTES:
            msg = (
                f"{path}: longer than {_BYTES / 1e6:g} MB, which is no {kind}; many files are "
                "named by a pattern, a folder or a text file with one name a line"
            )
            raise ConfigError(msg)
        text = content.decode("utf-8")
    except FileNotFoundError:
        msg = f"{path}: no such {kind}"
        raise ConfigError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read ({error})"
        raise ConfigError(msg) from None
    return yaml_value(text, origin=str(path))


def yaml_value(text: str, *, origin: str) -> Any:
    """Return what a YAML text holds.

    Parameters
    ----------
    text : str
        YAML.
    origin : str
        Where it is from, which the message begins with.

    Raises
    ------
    ConfigError
        If it is not YAML, a key stands twice, or it is too large once its anchors are written out.

    Examples
    --------
    >>> yaml_value("{lr: 1e-3, bins: 010, at: 1:30}", origin="--set")
    {'lr': 0.001, 'bins': 10, 'at': '1:30'}
    >>> yaml_value("{seed: 1, seed: 2}", origin="--set")
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: --set: not valid YAML: the key 'seed' stands twice...
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        msg = f"{origin}: not valid YAML: {' '.join(str(error).split())}"
        raise ConfigError(msg) from None


def yaml_text(value: Any) -> str:
    r"""Return plain values as YAML, which means the same by the rules of YAML 1.1 and 1.2.

    Examples
    --------
    >>> yaml_text({"lr": 0.001, "name": "1e-3"})
    "lr: 0.001\nname: '1e-3'\n"
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


class _Dumper(yaml.SafeDumper):
    """Quotes what any version of YAML would take for more than a word."""


class _Loader(yaml.SafeLoader):
    """Reads the core schema of YAML 1.2, with each key once and bounded in size and depth."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0
        self._sizes: dict[int, int] = {}  # of finished nodes, by what Python calls them

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node; one that stands for another counts as all of that."""
        event = self.peek_event()
        before = self._nodes
        self._depth += 1
        self._refuse(self._depth > _DEPTH, f"nested deeper than {_DEPTH} levels", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            known = id(node) in self._sizes
            self._refuse(not known, f"the anchor {event.anchor!r} contains itself", event)
            self._nodes += self._sizes[id(node)]
        else:
            self._nodes += 1
            self._sizes[id(node)] = self._nodes - before
            if isinstance(node, yaml.MappingNode):
                self._refuse_repeated(node)
        self._refuse(self._nodes > _NODES, f"more than {_NODES} values, anchors written out", event)
        return node

    def _refuse_repeated(self, node: yaml.MappingNode) -> None:
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                name, line = self.construct_object(key), key.start_mark.line + 1
                twice = f"the key {name!r} stands twice (lines {lines.get(name)} and {line})"
                self._refuse(name in lines, twice, None)
                lines[name] = line

    def construct_integer(self, node: Any) -> int:
        """Return a whole number; leading zeros mean nothing."""
        text = str(self.construct_scalar(node))
        fits = bool(_INTEGER.fullmatch(text)) and len(text) < _DIGITS
        self._refuse(not fits, f"no whole number: {text[:40]!r}", None)
        return int(text, 0 if "x" in text or "o" in text else 10)

    def construct_real(self, node: Any) -> float:
        """Return a real number."""
        text = str(self.construct_scalar(node))
        fits = bool(_REAL.fullmatch(text)) and len(text) < _DIGITS
        self._refuse(not fits, f"no number: {text[:40]!r}", None)
        return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))

    def construct_truth(self, node: Any) -> bool:
        """Return true or false."""
        text = str(self.construct_scalar(node)).lower()
        self._refuse(text not in {"true", "false"}, f"neither true nor false: {text[:40]!r}", None)
        return text == "true"

    @staticmethod
    def _refuse(wrong: bool, what: str, event: Any) -> None:  # noqa: FBT001
        if wrong:
            where = "" if event is None else f" (line {event.start_mark.line + 1})"
            raise yaml.YAMLError(what + where)


def _resolved(kind: str, pattern: str | re.Pattern[str], first: str) -> None:
    """Let plain words of a pattern be of a kind; `first` are the letters they begin with."""
    tag = f"{_CORE}{kind}"
    whole = re.compile(rf"^(?:{getattr(pattern, 'pattern', pattern)})$")
    for each in (_Loader, _Dumper):
        each.add_implicit_resolver(tag, whole, list(first))


_resolved("null", "~|null|Null|NULL", "~nN")
_resolved("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolved("int", _INTEGER, "-+0123456789")
_resolved("float", _REAL, "-+.0123456789")
_resolved("merge", "<<", "<")
_Loader.add_implicit_resolver(f"{_CORE}null", re.compile(r"^$"), [""])
_Loader.yaml_constructors = {  # of all that YAML 1.1 knows, the core schema; others are refused
    tag: yaml.SafeLoader.yaml_constructors[tag]
    for tag in (None, *(f"{_CORE}{kind}" for kind in ("null", "str", "seq", "map")))
}
_Loader.add_constructor(f"{_CORE}bool", _Loader.construct_truth)
_Loader.add_constructor(f"{_CORE}int", _Loader.construct_integer)
_Loader.add_constructor(f"{_CORE}float", _Loader.construct_real)
