"""Which kind of file a ROOT or Parquet file is, by the names of its trees and branches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ...core import InputError
from .described_layout import layout_from
from .known_layouts import LAYOUTS
from .layout import Layout
from .source import Source

__all__ = ["LayoutSource", "candidate_layouts", "choose_layout"]


@dataclass(frozen=True)
class LayoutSource(Source):
    """A source of files in which a layout says what is where.

    Attributes
    ----------
    layout : str or Layout
        The kind of file: a key of `known_layouts.LAYOUTS`, a layout of one's own, or ``auto``: the
        kind that the file is, by the names of its trees and branches. The files of one dataset are
        of one kind.
    """

    layout: str | Layout = "auto"

    options: ClassVar[tuple[str, ...]] = ("layout",)

    @classmethod
    def configured(cls, files: Sequence[str], options: Mapping[str, Any]) -> Self:  # noqa: ARG003 - as of all sources
        """Return the source with a layout by its name, or as the configuration describes it.

        Raises
        ------
        ConfigError
            If there is no such layout, or it is not described as it should be.
        """
        layout = options.get("layout", "auto")
        return cls(layout_from(layout) if isinstance(layout, Mapping) else layout)

    def __post_init__(self) -> None:
        """Refuse an unknown kind."""
        candidate_layouts(self.layout)

    @property
    def candidates(self) -> tuple[Layout, ...]:
        """The kinds of file that are looked for."""
        return candidate_layouts(self.layout)

    def settings(self) -> dict[str, Any]:
        """Return what the events depend on beside the file itself."""
        # Whole layouts and not their names: where one changes, so do the events.
        layouts = [layout.settings() for layout in self.candidates]
        return {"format": self.format, "layouts": layouts}


def candidate_layouts(layout: str | Layout) -> tuple[Layout, ...]:
    """Return the kinds of file that a source looks for.

    Parameters
    ----------
    layout : str or Layout
        The name of one, ``auto`` for all, or a layout of one's own.

    Raises
    ------
    ConfigError
        If there is none of that name.

    Examples
    --------
    >>> [layout.trees for layout in candidate_layouts("nano")]
    [('Events',)]
    """
    if isinstance(layout, Layout):
        return (layout,)
    if layout == "auto":
        return tuple(LAYOUTS.values())
    return (LAYOUTS.find(layout, beside=("auto",)),)


def choose_layout(
    candidates: Sequence[Layout],
    trees: Mapping[str, Collection[str]],
    collections: Sequence[str],
    path: str,
) -> tuple[Layout, str]:
    """Return which kind of file has these trees, and the tree to read.

    Parameters
    ----------
    candidates : sequence of Layout
        The kinds of file it may be.
    trees : mapping of str to collection of str
        The names of the trees that are there and of their branches.
    collections : sequence of str
        What will be read.
    path : str
        The file, for the message.

    Raises
    ------
    InputError
        If none of the kinds has the collections in such a file; says what it has.

    Examples
    --------
    >>> trees = {"Events": {f"Jet_{x}" for x in ("pt", "eta", "phi", "mass")}}
    >>> trees["Events"] |= {"run", "luminosityBlock", "event"}
    >>> layout, tree = choose_layout(candidate_layouts("auto"), trees, ["jets"], "a.root")
    >>> layout.name, tree
    ('nano', 'Events')
    """
    pairs = [(layout, name) for layout in candidates for name in layout.trees if name in trees]
    fitting = [(x, name) for x, name in pairs if not x.missing(trees[name], collections)]
    if fitting:  # of those that fit, the one that explains most of the file
        return max(fitting, key=lambda pair: len(pair[0].available(trees[pair[1]])))
    asked = ", ".join(collections)
    kinds = [(x, name, x.available(trees[name])) for x, name in pairs]
    kinds = [kind for kind in kinds if kind[2]] or kinds
    if not kinds:
        known = dict.fromkeys(name for layout in candidates for name in layout.trees)
        msg = f"{path}: no {asked}: it has none of the trees {', '.join(known)}"
        raise InputError(msg)
    layout, name, has = max(
        kinds, key=lambda kind: (len(kind[2]), -len(kind[0].missing(trees[kind[1]], collections)))
    )
    lacks = layout.missing(trees[name], collections)
    msg = (
        f"{path}: no {asked} in its tree {name}, read as {layout.name}; it lacks "
        f"{'; '.join(lacks)}; the collections it has are {', '.join(has) or '(none)'}"
    )
    stored = [name for name in ("fat_jets", "jets") if name in has]
    if "particles" in collections and stored:
        msg += f"; jets are taken as stored with collection: {stored[0]} (--collection {stored[0]})"
    raise InputError(msg)
