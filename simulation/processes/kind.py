"""A kind of process: its settings of Pythia, and what its truth is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, TypeVar, cast

from ...core import ConfigError, InputError, Record
from ...core.registry import Registry
from ..settings import GeneratorSettings

__all__ = [
    "HADRONIC_BOSONS",
    "KINDS",
    "DaughterFacts",
    "KindFacts",
    "ProcessKind",
    "narrow",
    "refuse_too_light",
    "register_kind",
]

ClassT = TypeVar("ClassT", bound=type)

HADRONIC_BOSONS = (
    *("23:onMode = off", "23:onIfAny = 1 2 3 4 5"),
    *("24:onMode = off", "24:onIfAny = 1 2 3 4 5"),
)


@dataclass(frozen=True)
class DaughterFacts(Record):
    """What a resonance decays to.

    Attributes
    ----------
    name : str
        Such as ``X``.
    mass : float
        In GeV; 0 for a gluon or a light quark.
    prongs : int
        Quarks or gluons that it decays to; 1 for one that is itself a quark or gluon.

    Examples
    --------
    >>> DaughterFacts(name="X", mass=500.0, prongs=2).to_dict()
    {'name': 'X', 'mass': 500.0, 'prongs': 2}
    """

    name: str
    mass: float
    prongs: int


@dataclass(frozen=True)
class KindFacts:
    """What the events of a kind of process are.

    Attributes
    ----------
    decay : str
        In words: ``Z' → X Y``; empty where there is no resonance.
    resonance_mass : float or None
        In GeV.
    daughters : tuple of DaughterFacts
        The heaviest first.
    """

    decay: str = ""
    resonance_mass: float | None = None
    daughters: tuple[DaughterFacts, ...] = ()


class ProcessKind(Record, ABC):
    """A frozen dataclass of what can be chosen of a kind of process, in GeV.

    Attributes
    ----------
    name : str
        By which recipes name it.
    signal : bool
        Whether its events are labelled as signal, where the recipe does not say.
    jet : int or None
        PDG code of what a jet comes from in a selection of matched jets; None: any jet will do.
    slha : str
        New particles and their decays as a text in the SUSY Les Houches Accord; empty: none.

    Examples
    --------
    >>> from overdensity.simulation import GravitonGG
    >>> ProcessKind.from_dict({"kind": "graviton_gg", "mass": 3000.0}) == GravitonGG(mass=3000.0)
    True
    """

    name: ClassVar[str]
    signal: ClassVar[bool] = True
    jet: ClassVar[int | None] = None
    slha = ""

    @abstractmethod
    def lines(self, settings: GeneratorSettings) -> list[str]:
        """Return the settings of Pythia for this kind, beyond those of all processes."""

    def hard_process(self, settings: GeneratorSettings) -> Any:  # noqa: ARG002 - for those that have one
        """Return a hard process of our own, for ``Pythia.setSigmaPtr``; None: Pythia has it."""
        return None

    def facts(self) -> KindFacts:
        """Return what its events are."""
        return KindFacts()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values, with its name as ``kind``."""
        return {"kind": self.name, **super().to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build one of any kind, as ``kind`` says.

        Raises
        ------
        ConfigError
            If there is no such kind, or it is not one of this class.
        InputError
            If it has no such field.
        """
        values = dict(values)
        found = KINDS.find(str(values.pop("kind", cls.__dict__.get("name", ""))))
        if not issubclass(found, cls):
            msg = f"kind {found.name!r} is not a {cls.__name__}"
            raise ConfigError(msg)
        return super(ProcessKind, found).from_dict(values)

    def __str__(self) -> str:
        chosen = (
            f"{field.name}={getattr(self, field.name)!r}" for field in fields(cast("Any", self))
        )
        return f"{self.name}({', '.join(chosen)})"


KINDS: Registry[type[ProcessKind]] = Registry(
    "kind of process", package=__name__.rpartition(".")[0]
)


def register_kind(name: str) -> Callable[[ClassT], ClassT]:
    """Return the decorator that makes a kind of process known to recipes.

    Parameters
    ----------
    name : str
        By which recipes name it.

    Examples
    --------
    >>> @register_kind("photons")
    ... @dataclass(frozen=True)
    ... class Photons(ProcessKind):
    ...     signal = False
    ...
    ...     def lines(self, settings):
    ...         return ["PromptPhoton:all = on"]
    >>> ProcessKind.from_dict({"kind": "photons"})
    Photons()
    >>> KINDS.remove("photons")
    """
    return KINDS.decorated(name)


def narrow(pdg_id: int, mass: float, width: float) -> list[str]:
    """Return the lines that give one of Pythia's resonances a mass (GeV) and a width over mass."""
    low, high = mass * (1 - 10 * width), mass * (1 + 10 * width)
    return [
        f"{pdg_id}:m0 = {mass}",
        f"{pdg_id}:mWidth = {width * mass}",
        f"{pdg_id}:doForceWidth = on",
        f"{pdg_id}:mMin = {max(low, 1.0)}",
        f"{pdg_id}:mMax = {high}",
    ]


def refuse_too_light(name: str, mass: float, *daughters: tuple[str, float]) -> None:
    """Refuse a resonance that is lighter than what it decays to.

    Parameters
    ----------
    name : str
        What it is called.
    mass : float
        In GeV.
    *daughters : tuple of str and float
        Names and masses (GeV).

    Raises
    ------
    InputError
        Naming them.
    """
    if mass <= sum(each for _, each in daughters):
        words = " and ".join(f"{daughter} of {each:g} GeV" for daughter, each in daughters)
        msg = f"a {name} of {mass:g} GeV cannot decay to {words}: make it heavier"
        raise InputError(msg)
