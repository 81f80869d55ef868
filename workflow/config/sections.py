"""What the sections of all configurations have in common: strict keys, lists of files, names."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ...core.files.listing import local_path

__all__ = [
    "Decorrelate",
    "Files",
    "FilesSection",
    "LocalFolder",
    "MaybeFiles",
    "NamedSection",
    "Names",
    "PathText",
    "Section",
    "by_label",
    "each_once",
    "listed",
]

_Value = TypeVar("_Value", str, float)


def listed(value: Any) -> Any:
    """Return one path or name as a list of it."""
    return [value] if isinstance(value, str) else value


def each_once(values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    """Return names or numbers of which none stands twice.

    Raises
    ------
    ValueError
        If one does.

    Examples
    --------
    >>> each_once((0.1, 0.01, 0.1))
    Traceback (most recent call last):
    ValueError: values repeat one another: 0.1, 0.01, 0.1
    """
    if len(set(values)) < len(values):
        shown = (item if isinstance(item, str) else f"{item:g}" for item in values)
        msg = f"values repeat one another: {', '.join(shown)}"
        raise ValueError(msg)
    return values


def _at_home(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(local_path, paths))


def by_label(value: Any) -> Any:
    """Return methods by their names in a table; a list of registered names will do."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, (list, tuple)):
        value = {str(name): None for name in value}
    if not isinstance(value, dict):
        return value
    return {
        label: {"name": label, **({} if given is None else given)}
        if given is None or isinstance(given, dict)
        else given
        for label, given in value.items()
    }


def _local(value: str) -> str:
    if "://" in value:
        msg = "the folder of the result must be on a file system, not behind a URL"
        raise ValueError(msg)
    return local_path(value)


PathText = Annotated[str, AfterValidator(local_path)]
"""A path or URL; ``~`` is the home folder."""

LocalFolder = Annotated[str, AfterValidator(_local)]
"""Where a command writes its results."""

MaybeFiles = Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(_at_home)]
"""Paths of files, or none; one needs no list."""

Files = Annotated[
    tuple[str, ...], BeforeValidator(listed), AfterValidator(_at_home), Field(min_length=1)
]
"""Paths of files, at least one; one needs no list."""

Names = Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(each_once)]
"""Names, each once, or none; one needs no list."""


class Section(BaseModel):
    """A part of a configuration: frozen, strict about its keys, and all its numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FilesSection(Section):
    """A section that is mostly files: these alone will do.

    Attributes
    ----------
    files : tuple of str
        Paths, patterns, folders.
    """

    files: Files

    @model_validator(mode="before")
    @classmethod
    def _files_alone(cls, value: Any) -> Any:
        return {"files": value} if isinstance(value, (str, list, tuple)) else value


class Decorrelate(Section):
    """Features that a method is shown without their dependence on the mass; names alone will do.

    Attributes
    ----------
    features : tuple of str
        Their names, which are among the features.
    by : {'quantiles', 'flow'}
        Each by its conditional quantile given the mass, or all jointly by a conditional flow
        (`overdensity.ml.decorrelation.decorrelated`).
    """

    features: Names = ()
    by: Literal["quantiles", "flow"] = "quantiles"

    @model_validator(mode="before")
    @classmethod
    def _features_alone(cls, value: Any) -> Any:
        return {"features": value} if isinstance(value, (str, list, tuple)) else value


class NamedSection(BaseModel):
    """Something with a registered name; a word is the name, and options may follow beside it.

    Attributes
    ----------
    name : str
        The name.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_a_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """What the user has set beside the name."""
        return dict(self.model_extra or {})
