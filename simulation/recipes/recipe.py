"""A recipe: which events a file is to hold, and how they are made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ...core import InputError, Record, nearest_names
from ..processes.kind import DaughterFacts, ProcessKind
from ..processes.qcd import Qcd
from ..processes.zprime_xy import ZprimeXY
from ..settings import (
    DetectorSettings,
    GeneratorSettings,
    Selection,
    ZprimeMasses,
    check_lines,
)

__all__ = ["Process", "ProcessFacts", "Recipe"]

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass(frozen=True)
class ProcessFacts(Record):
    """What the events of one process are, known before they are made.

    Attributes
    ----------
    name : str
        As in the recipe.
    signal : bool
        Their label.
    events : int
        In the file.
    resonance_mass : float or None
        In GeV; None where there is no resonance.
    daughters : tuple of DaughterFacts
        Of the resonance, the heaviest first.
    decay : str
        In words; empty where there is no resonance.

    Examples
    --------
    >>> facts = ProcessFacts(name="qcd", signal=False, events=9)
    >>> facts.resonance_mass is None
    True
    """

    name: str
    signal: bool
    events: int
    resonance_mass: float | None = None
    daughters: tuple[DaughterFacts, ...] = ()
    decay: str = ""


@dataclass(frozen=True)
class Process(Record):
    """One process of a recipe.

    Attributes
    ----------
    name : str
        A name of its own; events depend on it, and on no other process of the recipe.
    kind : ProcessKind
        What is made.
    events : int
        Selected events in the file.
    signal : bool or None
        Their label; None: as the kind has it.
    pythia : tuple of str
        Further lines for Pythia, after those of all processes.

    Examples
    --------
    >>> from overdensity.simulation import Qcd
    >>> Process("qcd", Qcd(), events=1000).labelled
    0
    """

    name: str
    kind: ProcessKind
    events: int
    signal: bool | None = None
    pythia: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            msg = f"process {self.name!r}: a name is made of letters, digits and _ . + -"
            raise InputError(msg)
        if isinstance(self.events, bool) or not isinstance(self.events, int) or self.events < 0:
            msg = f"process {self.name}: events must be a whole number from 0 up, not {self.events}"
            raise InputError(msg)
        check_lines(f"process {self.name}", self.pythia)

    @property
    def labelled(self) -> int:
        """The label of its events: 1 for signal, 0 for background."""
        return int(self.kind.signal if self.signal is None else self.signal)

    @property
    def facts(self) -> ProcessFacts:
        """What its events are."""
        facts = self.kind.facts()
        return ProcessFacts(
            name=self.name,
            signal=bool(self.labelled),
            events=self.events,
            resonance_mass=facts.resonance_mass,
            daughters=facts.daughters,
            decay=facts.decay,
        )


@dataclass(frozen=True)
class Recipe(Record):
    """All that determines a file of simulated events.

    Attributes
    ----------
    name : str
        What it is called.
    processes : tuple of Process
        What collides and decays, and how many events there are of each.
    seed : int
        Same seed, same file; of any size.
    generator : GeneratorSettings
        Settings of Pythia for all processes.
    detector : DetectorSettings
        Settings of the detector.
    selection : Selection
        Which events are kept.
    chunk_events : int
        Largest number of events generated with one seed.

    Raises
    ------
    InputError
        If a number cannot be used, names are not different, or there are no events at all.

    Examples
    --------
    >>> from overdensity.simulation import Qcd, ZprimeXY
    >>> recipe = Recipe("box", (Process("qcd", Qcd(), 990), Process("signal", ZprimeXY(), 10)))
    >>> recipe.events, [facts.resonance_mass for facts in recipe.facts]
    (1000, [None, 3500.0])
    >>> Recipe.from_dict(recipe.to_dict()) == recipe
    True
    """

    name: str
    processes: tuple[Process, ...]
    seed: int = 1
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    selection: Selection = field(default_factory=Selection)
    chunk_events: int = 2000

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("chunk_events", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                msg = f"{name} must be a whole number from {least} up, not {value!r}"
                raise InputError(msg)
        twice = [name for name, n in Counter(each.name for each in self.processes).items() if n > 1]
        if twice:
            msg = f"two processes are called {twice[0]!r}; rename one"
            raise InputError(msg)
        if not self.events:
            msg = f"nothing to simulate: the processes of {self.name} have 0 events in all"
            raise InputError(msg)

    @property
    def events(self) -> int:
        """Events in the file."""
        return sum(process.events for process in self.processes)

    @property
    def facts(self) -> tuple[ProcessFacts, ...]:
        """What the events of each process are."""
        return tuple(process.facts for process in self.processes)

    @classmethod
    def dijets(
        cls,
        name: str,
        *,
        background: int,
        signal: int,
        masses: ZprimeMasses | None = None,
        prongs: int = 2,
        **settings: Any,
    ) -> Self:
        """Return the recipe of QCD dijets with Z' → X Y, as of the R&D dataset.

        Parameters
        ----------
        name : str
            What it is called.
        background, signal : int
            Selected events of each, which are the names of the processes.
        masses : ZprimeMasses, optional
            Of the signal.
        prongs : int
            Quarks that X and Y decay to.
        **settings
            Other fields of the recipe.
        """
        zprime = ZprimeXY(masses or ZprimeMasses(), prongs)
        processes = Process("background", Qcd(), background), Process("signal", zprime, signal)
        return cls(name, processes, **settings)

    def scaled(self, events: int) -> Self:
        """Return the recipe with so many events in all, in the same proportions.

        Parameters
        ----------
        events : int
            In the file. What rounding leaves goes to the processes that lose most by it.
        """
        shares = [process.events * events / self.events for process in self.processes]
        numbers = [int(share) for share in shares]
        by_loss = sorted(range(len(shares)), key=lambda k: numbers[k] - shares[k])
        for k in by_loss[: events - sum(numbers)]:
            numbers[k] += 1
        names = (process.name for process in self.processes)
        return self.with_events(dict(zip(names, numbers, strict=True)))

    def with_events(self, composition: Mapping[str, int]) -> Self:
        """Return the recipe with other numbers of events.

        Parameters
        ----------
        composition : dict of str to int
            Events by the names of processes; the others keep theirs.

        Raises
        ------
        InputError
            If there is no such process.
        """
        names = [process.name for process in self.processes]
        for name in composition:
            if name not in names:
                msg = f"{self.name} has no process {name!r}: {nearest_names(name, names)}"
                raise InputError(msg)
        processes = tuple(
            replace(process, events=composition.get(process.name, process.events))
            for process in self.processes
        )
        return replace(self, processes=processes)
