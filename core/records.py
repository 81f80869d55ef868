"""Frozen dataclass ↔ JSON: what every result of the project is stored as."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import types
import typing
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

from .errors import InputError, nearest_names
from .files.json_values import json_value
from .identity import json_digest

__all__ = ["Record", "atomic_file", "atomic_path", "to_plain", "write_text_atomic"]

logger = logging.getLogger(__name__)

_CHECKSUM = "checksum"  # the key of it in a file


class Record:
    """Mixin that gives a frozen dataclass a JSON form and back.

    Fields may be plain JSON values, other records, tuples or lists of them, and dictionaries with
    string keys. Numbers that are not finite are stored as ``null``, so that the files are strict
    JSON; fields that can be so must be typed ``float | None``.

    A class whose JSON form has changed sets ``schema`` to 2 or more: it is written with the record,
    and what was written in another is refused. Where a command writes the file, ``made_by`` names
    it, so that a file that is refused says what to run. A file has a checksum of all else in it, by
    which a bit that has changed is noticed; where people write such files too, ``by_hand`` leaves it
    out. A file without one is read as it is.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Count(Record):
    ...     schema = 2
    ...     events: int
    >>> Count(3).to_dict()
    {'schema': 2, 'events': 3}
    >>> Count.from_dict({"schema": 2, "events": 3})
    Count(events=3)
    """

    schema: ClassVar[int] = 1
    made_by: ClassVar[str] = "the command that wrote it"
    by_hand: ClassVar[bool] = False

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        head = {} if self.schema == 1 else {"schema": self.schema}
        return head | {
            field.name: to_plain(getattr(self, field.name))
            for field in dataclasses.fields(typing.cast("Any", self))
        }

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write the record to a file, atomically; returns its path."""
        return write_text_atomic(path, self.to_text())

    def to_text(self) -> str:
        """Return the text of a file of the record, with its checksum."""
        values = self.to_dict()
        if self.by_hand:
            return json.dumps(values, indent=2, allow_nan=False) + "\n"
        return (
            json.dumps(values | {_CHECKSUM: json_digest(values)}, indent=2, allow_nan=False) + "\n"
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build the record from plain JSON values.

        Raises
        ------
        InputError
            If a field is missing or unknown, or the values are of another schema.
        """
        found = values.get("schema", 1)
        if found != cls.schema:
            msg = (
                f"{cls.__name__} is of schema {found}, and this version of overdensity reads "
                f"schema {cls.schema}"
            )
            raise _OtherVersionError(msg)
        values = {name: value for name, value in values.items() if name != "schema"}
        hints = typing.get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(typing.cast("Any", cls))}
        for name in values:
            if name not in fields:
                msg = f"{cls.__name__} has no field {name!r}: {nearest_names(name, fields)}"
                raise InputError(msg)
        for name, field in fields.items():
            required = (
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            )
            if required and name not in values:
                msg = f"{cls.__name__} needs the field {name!r}, which is missing"
                raise InputError(msg)
        return cls(**{name: _build(hints[name], value) for name, value in values.items()})

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Self:
        """Read the record from a file.

        Raises
        ------
        InputError
            If the file is missing, is not JSON, or holds something else.
        """
        try:
            text = Path(path).read_bytes()
        except FileNotFoundError:
            msg = f"{path}: no such file"
            raise InputError(msg) from None
        return cls.from_text(text, path)

    @classmethod
    def from_text(cls, text: str | bytes, path: str | os.PathLike[str]) -> Self:
        """Read the record from the text of a file.

        Parameters
        ----------
        text : str or bytes
            JSON.
        path : path-like
            Where it is from, for what is said about it.

        Raises
        ------
        InputError
            If it is not JSON, or holds something else.
        """
        values = json_value(text, origin=str(path))
        if not isinstance(values, dict):
            msg = f"{path}: expected a JSON object, found a {type(values).__name__}"
            raise InputError(msg)
        try:
            return cls.from_dict(_checked(values, schema=cls.schema))
        except (InputError, AttributeError, TypeError, ValueError) as error:
            kind = _OtherVersionError if isinstance(error, _OtherVersionError) else InputError
            msg = f"{path}: {error}"
            raise kind(msg, remedy=f"delete it and run {cls.made_by} again") from None

    @classmethod
    def earlier(cls, path: str | os.PathLike[str]) -> Self | None:
        """Read what an earlier run left in a file, which is to be made again if it is not usable.

        Returns
        -------
        Record or None
            None where there is no file, or one that this version does not read.
        """
        return cls._if_usable(path, "it is made again", but=())

    @classmethod
    def found_at(cls, path: str | os.PathLike[str]) -> Self | None:
        """Read what another command left in a file; where it is damaged, what shows it does without.

        Returns
        -------
        Record or None
            None where there is no file, or one that is damaged.

        Raises
        ------
        InputError
            If it is of another version: nobody is to think that there was nothing.
        """
        otherwise = f"it is left out; run {cls.made_by} to make it again"
        return cls._if_usable(path, otherwise, but=_OtherVersionError)

    @classmethod
    def _if_usable(
        cls,
        path: str | os.PathLike[str],
        otherwise: str,
        *,
        but: type[InputError] | tuple[()],
    ) -> Self | None:
        if not Path(path).is_file():
            return None
        try:
            return cls.from_json(path)
        except but:
            raise
        except InputError as error:
            logger.warning("%s; %s", error.problem, otherwise)
            return None


class _OtherVersionError(InputError):
    """A file whose schema another version of overdensity reads."""


def _checked(values: dict[str, Any], *, schema: int) -> dict[str, Any]:
    """Return the values of a file without their checksum, if it is theirs."""
    rest = {key: value for key, value in values.items() if key != _CHECKSUM}
    stored = values.get(_CHECKSUM)
    if stored not in (None, json_digest(rest)) and rest.get("schema", 1) == schema:
        msg = (
            "its checksum is of other values: it is damaged, or was changed by hand (then take the "
            f"key {_CHECKSUM!r} out of it)"
        )
        raise InputError(msg)
    return rest


def to_plain(value: Any) -> Any:
    """Return a value as plain JSON: records as dictionaries, tuples as lists, NaN as None."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return to_plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_text_atomic(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text file under a temporary name, then rename it: never half a file."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, which takes the final name if all went well.

    The temporary name is unique also among machines that share the folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a file to write and read, which takes the final name if all went well.

    Libraries that are given a file have no name to take for a URL: pyarrow does of ``a::b/c``, uproot
    for an object in a file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_file(f"{folder}/a::b/c") as file:
    ...         file.write(b"all")
    ...     Path(folder, "a::b", "c").read_bytes()
    3
    b'all'
    """
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        yield file


def _build(hint: Any, value: Any) -> Any:
    """Turn a plain JSON value into what a field's annotation asks for."""
    if value is None:
        return None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _build(next(item for item in arguments if item is not type(None)), value)
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_dict(value)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_build(arguments[0], item) for item in value)
        return tuple(_build(item, each) for item, each in zip(arguments, value, strict=True))
    if origin is list:
        return [_build(arguments[0], item) for item in value]
    if origin is dict:
        return {key: _build(arguments[1], item) for key, item in value.items()}
    return value
