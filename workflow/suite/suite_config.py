"""The configuration of a suite of sealed boxes: the pool, what boxes are made of it, who searches."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ...core import ConfigError
from ..cluster.campaign import in_file_names
from ..config.cluster import ClusterConfig
from ..config.reading import parse_config, read_yaml, validated
from ..config.region import RegionConfig
from ..config.search import MethodConfig, SearchConfig
from ..config.sections import FilesSection, LocalFolder, MaybeFiles, Section, by_label
from ..stages.run import derived_seed

__all__ = [
    "BoxesConfig",
    "DaughterConfig",
    "PoolConfig",
    "PoolSignal",
    "SuiteConfig",
    "SuiteMethod",
    "load_suite",
]

_ENERGIES = re.compile(r"(?:.*_)?(?:pt|mass|ht|mj+|mJ1|dmJ)")  # names of columns in GeV
_OF_THE_SUITE = ("events", "method", "cluster", "workers", "columns", "out")


class DaughterConfig(Section):
    """What a signal of the pool decays to: a name, a mass in GeV, and quarks or gluons in its jet."""

    name: str
    mass: Annotated[float, Field(ge=0)]
    prongs: Annotated[int, Field(ge=1)]


class PoolSignal(FilesSection):
    """Columns of simulated signal, and its truth.

    Attributes
    ----------
    files : tuple of str
        Columns (Parquet): paths, patterns, folders.
    resonance_mass : float
        In GeV.
    daughters : tuple of DaughterConfig
        What it decays to.
    decay : str
        In words.
    """

    resonance_mass: Annotated[float, Field(gt=0)]
    daughters: tuple[DaughterConfig, ...] = ()
    decay: str = ""


class PoolConfig(Section):
    """Simulated columns that boxes are drawn from.

    Attributes
    ----------
    backgrounds : dict of str to FilesSection
        By name; a box mixes them in proportions of its own.
    signals : dict of str to PoolSignal
        By name; a box has one of them, or none.
    """

    backgrounds: Annotated[dict[str, FilesSection], Field(min_length=1)]
    signals: Annotated[dict[str, PoolSignal], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_different(self) -> Self:
        for name in self.backgrounds:
            if name in self.signals:
                msg = f"both a background and a signal are called {name!r}; rename one"
                raise ValueError(msg)
        return self


class BoxesConfig(Section):
    """How boxes are made of the pool.

    Attributes
    ----------
    number : int
        Boxes with a signal, and as many without.
    events : int
        In each box, whatever the signal.
    strengths : tuple of float
        S/√B of the boxes with a signal, before any selection, in the narrowest range of the mass
        that holds 68 % of the signal. They are dealt to the boxes evenly, in a secret order.
    masses : tuple of float, optional
        Lowest and highest mass of a resonance, GeV. All energies of an event of the signal, and the
        masses of the daughters, are scaled by the same factor. By default all stay as simulated.
    smearing : float
        Spread of the factor, one an event, that all its energies are multiplied by.
    region : RegionConfig, optional
        Cuts that events pass after scaling and smearing, such as the threshold of the simulation.
    energies : tuple of str
        Columns in GeV; by default those that are called a mass, pt or ht.
    """

    number: Annotated[int, Field(ge=1, le=100_000)] = 20
    events: Annotated[int, Field(ge=2)] = 20_000
    strengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (
        *(2.0, 4.0, 6.0, 8.0),
    )
    masses: tuple[Annotated[float, Field(gt=0)], float] | None = None
    smearing: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    region: RegionConfig | None = None
    energies: MaybeFiles = ()

    @field_validator("masses")
    @classmethod
    def _masses_are_a_range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] > value[1]:
            msg = "masses are the lowest and the highest one, GeV"
            raise ValueError(msg)
        return value

    def is_energy(self, column: str, mass: str) -> bool:
        """Return whether a column is in GeV."""
        if self.energies:
            return column == mass or column in self.energies
        return column == mass or _ENERGIES.fullmatch(column) is not None


class SuiteMethod(MethodConfig):
    """A method with its settings; hyperparameters may follow beside them.

    Attributes
    ----------
    name : str
        Its registered name; by default the one it has in the table.
    features : tuple of str, optional
        Its features, in place of those of the search.
    """

    features: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class SuiteConfig(Section):
    """A suite of sealed boxes, as the YAML file describes it.

    Attributes
    ----------
    pool : PoolConfig
        Simulated columns.
    boxes : BoxesConfig
        How boxes are made of them.
    methods : dict of str to SuiteMethod
        Who searches, by the names in the table; a list of registered names will do.
    search : dict
        Keys of a search, for all methods: its mass, features, scan, selections and so on.
    level : float
        A signal is claimed where the global p-value is at most that.
    seed : int, optional
        The boxes follow from it, and are sealed from nobody who knows it; by default from random
        numbers of the operating system, which nobody knows.
    cluster : ClusterConfig
        As for a search.
    workers : int, optional
        Workers of a cluster that is started for the suite.
    out : str
        Folder of all that is made; by default ``runs/<name of the configuration file>``.
    """

    pool: PoolConfig
    boxes: BoxesConfig = BoxesConfig()
    methods: Annotated[dict[str, SuiteMethod], BeforeValidator(by_label), Field(min_length=1)] = (
        Field(default_factory=lambda: {"cwola": SuiteMethod(name="cwola")})
    )
    search: dict[str, Any] = Field(default_factory=dict)
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    seed: Annotated[int, Field(ge=0)] | None = None
    cluster: ClusterConfig = ClusterConfig()
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    out: LocalFolder = "runs/suite"

    @field_validator("methods")
    @classmethod
    def _methods_have_folders_of_their_own(
        cls, value: dict[str, SuiteMethod]
    ) -> dict[str, SuiteMethod]:
        folders: dict[str, str] = {}
        for label in value:
            other = folders.setdefault(in_file_names(label), label)
            if other != label:
                msg = f"{other!r} and {label!r} would have the same folder; rename one"
                raise ValueError(msg)
        return value

    @field_validator("search")
    @classmethod
    def _the_suite_says_what_is_searched(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key in _OF_THE_SUITE:
            if key in value:
                msg = f"{key!r} is not for a search to say, but for the suite; leave it out"
                raise ValueError(msg)
        return value

    @property
    def folder(self) -> Path:
        """Where all is made, as an absolute path."""
        return Path(self.out).absolute()

    def search_of(self, label: str, box: Path, number: int) -> SearchConfig:
        """Return the search of a box by a method.

        Parameters
        ----------
        label : str
            The method's name in the table.
        box : Path
            The box.
        number : int
            Of the box; the seed of the search follows from it.

        Raises
        ------
        ConfigError
            If a key or a value cannot be used, or hides signals.
        """
        method = self.methods[label]
        values = {
            **self.search,
            "events": {"files": [str(box)], "format": "columns"},
            "method": {"name": method.name, **method.hyperparameters},
            "out": str(self.folder / "searches" / in_file_names(label) / box.stem),
        }
        if method.features is not None:
            values["features"] = list(method.features)
        config = parse_config(values, origin="search")
        if config.fit.spurious == "data":
            msg = (
                "search: fit.spurious: data lets a signal hide itself, so that no answer is made of "
                "it; set fit.spurious: none"
            )
            raise ConfigError(msg)
        return config.model_copy(update={"seed": derived_seed(config.seed, 4, number)})


def load_suite(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), *, out: str | None = None
) -> SuiteConfig:
    """Read the configuration of a suite from a YAML file.

    Parameters
    ----------
    path : path-like
        The YAML file.
    overrides : sequence of str
        ``key=value`` with dots between levels, such as ``boxes.number=5``; values are YAML.
    out : str, optional
        The folder, in place of the one in the file.

    Raises
    ------
    ConfigError
        If the file is missing or not YAML, or a key or value cannot be used.
    """
    values = read_yaml(path, out=out, first_key="pool")
    return validated(SuiteConfig, values, overrides, origin=str(path))
