"""The configuration of a search in regions: data, simulated processes, signals, uncertainties."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from ...core.identity import no_feature
from ..config.limits import SignalConfig, without_generated
from ..config.reading import parse_config, read_yaml, validated
from ..config.search import MethodConfig, SearchConfig
from ..config.sections import FilesSection, LocalFolder, Section

__all__ = [
    "BackgroundConfig",
    "RegionSearchConfig",
    "RegionUncertainties",
    "WeightVariation",
    "load_any_search",
    "load_regions",
]

_METHOD = "region_flows"
_KEY = "groups"  # which no other search has

Relative = Annotated[float, Field(ge=0, lt=1)]


class BackgroundConfig(FilesSection):
    """Simulated events of one background process; the files alone will do.

    Attributes
    ----------
    files : tuple of str
        Columns (Parquet): paths, patterns, folders. A column ``weight`` is their weights.
    cross_section : float, optional
        In fb. By default the weights are normalised to the luminosity already.
    generated : float, optional
        Events generated for the files, or their sum of weights, before any cut: what the cross
        section stands for. Files of selected events do not say it, so that it goes with one.
    uncertainty : float
        Of the cross section, relative.
    """

    cross_section: Annotated[float, Field(gt=0)] | None = None
    generated: Annotated[float, Field(gt=0)] | None = None
    uncertainty: Relative = 0.0

    @model_validator(mode="after")
    def _cross_section_has_a_number(self) -> Self:
        if self.cross_section is not None and self.generated is None:
            raise ValueError(without_generated("it"))
        if self.generated is not None and self.cross_section is None:
            msg = "generated goes with a cross_section (fb); leave it out where weights are normalised"
            raise ValueError(msg)
        return self


class WeightVariation(Section):
    """Columns of the weights under a systematic effect, in place of ``weight``.

    Attributes
    ----------
    up, down : str
        At plus and minus one standard deviation.
    """

    up: str
    down: str

    @model_validator(mode="after")
    def _columns_are_different(self) -> Self:
        if self.up == self.down:
            msg = f"up and down are the same column {self.up!r}; name one for each"
            raise ValueError(msg)
        return self


class RegionUncertainties(Section):
    """Uncertainties that processes and regions share; those of the cross sections are theirs.

    Attributes
    ----------
    luminosity : float
        Relative.
    factors : dict of str to float
        Relative uncertainties of all yields, by name, such as that of a lepton's identification.
    weights : dict of str to WeightVariation
        Effects on the shape, by name: columns of weights in all simulated files.
    """

    luminosity: Relative = 0.0
    factors: dict[str, Relative] = Field(default_factory=dict)
    weights: dict[str, WeightVariation] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_different(self) -> Self:
        for name in ("luminosity", *self.weights):
            if name in self.factors or (name == "luminosity" and name in self.weights):
                msg = f"two uncertainties are called {name!r}; rename one of them"
                raise ValueError(msg)
        return self

    @property
    def of_sizes(self) -> dict[str, float]:
        """The relative uncertainties of all yields, by name."""
        return {"luminosity": self.luminosity, **self.factors}


class RegionSearchConfig(Section):
    """A search in regions, as the YAML file describes it.

    Attributes
    ----------
    events : FilesSection
        The data: columns (Parquet) without weights.
    groups : str
        Column of whole numbers: the region of an event.
    regions : dict of int to str, optional
        Names of the regions that are searched, by their numbers; by default all that the
        backgrounds have.
    features : tuple of str
        Columns of numbers of which the density is learnt.
    method : MethodConfig
        ``region_flows``, with its hyperparameters.
    backgrounds : dict of str to BackgroundConfig
        Simulated processes by name.
    signals : dict of str to SignalConfig
        Benchmark signals by name, each with its cross section.
    luminosity : float
        Of the data, in 1/fb.
    uncertainties : RegionUncertainties
        Nuisance parameters beside those of the cross sections and of the statistics of simulation.
    classifier : bool
        Whether a classifier is trained for each signal, whose limit stands beside that of the flows.
    folds : int
        Simulated events are scored by models that learnt from the other folds.
    bins : int
        Bins of the score in a region at most.
    expected : float
        Background events expected in each bin at least.
    level : float
        Confidence level of the limits.
    seed : int
        The one seed everything random is derived from.
    out : str
        The run's folder.

    Examples
    --------
    >>> config = RegionSearchConfig(
    ...     events="data.parquet", groups="region", features=["m4l", "met"],
    ...     backgrounds={"zz": "zz.parquet"}, luminosity=139,
    ... )
    >>> config.method.name, config.folds
    ('region_flows', 3)
    """

    events: FilesSection
    groups: str
    regions: Annotated[dict[int, str], Field(min_length=1)] | None = None
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    method: MethodConfig = MethodConfig(name=_METHOD)
    backgrounds: Annotated[dict[str, BackgroundConfig], Field(min_length=1)]
    signals: dict[str, SignalConfig] = Field(default_factory=dict)
    luminosity: Annotated[float, Field(gt=0)]
    uncertainties: RegionUncertainties = RegionUncertainties()
    classifier: bool = True
    folds: Annotated[int, Field(ge=2, le=100)] = 3
    bins: Annotated[int, Field(ge=1, le=10_000)] = 8
    expected: Annotated[float, Field(gt=0)] = 3.0
    level: Annotated[float, Field(gt=0, le=0.999)] = 0.95
    seed: Annotated[int, Field(ge=0)] = 1
    out: LocalFolder = "runs/regions"

    @field_validator("regions", mode="before")
    @classmethod
    def _numbers_are_different(cls, value: Any) -> Any:
        numbers = [str(number) for number in value] if isinstance(value, dict) else []
        for number in numbers:
            if numbers.count(number) > 1:
                msg = f"{number} stands twice, as a number and as a word; leave one out"
                raise ValueError(msg)
        return value

    @field_validator("method")
    @classmethod
    def _method_learns_regions(cls, value: MethodConfig) -> MethodConfig:
        if value.name != _METHOD:
            msg = f"a search in regions (groups) is made with {_METHOD}, not with {value.name}"
            raise ValueError(msg)
        return value

    @field_validator("signals")
    @classmethod
    def _signals_have_cross_sections(
        cls, value: dict[str, SignalConfig]
    ) -> dict[str, SignalConfig]:
        for name, each in value.items():
            if each.cross_section is None:
                msg = f"{name!r} has no cross_section: give what is predicted, in fb"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _columns_and_processes_are_different(self) -> Self:
        for name in self.features:
            if self.features.count(name) > 1 or name == self.groups:
                msg = f"features: {name!r} is named twice, or is the column of groups; leave it out"
                raise ValueError(msg)
        if msg := no_feature(self.features):
            raise ValueError(msg)
        if "signal" in self.backgrounds:
            msg = "backgrounds: a background cannot be called 'signal'; rename it"
            raise ValueError(msg)
        for name in self.signals:
            if name in self.backgrounds:
                msg = f"signals: {name!r} is the name of a background, too; rename one of them"
                raise ValueError(msg)
        called = list((self.regions or {}).values())
        for name in (*called, *self.uncertainties.weights):
            if "/" in name:
                msg = f"{name!r}: a region, or an uncertainty of shapes, has no '/' in its name; rename it"
                raise ValueError(msg)
        for name in called:
            if called.count(name) > 1:
                msg = f"regions: two are called {name!r}; give each a name of its own"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _uncertainties_are_no_parameters_of_the_fit(self) -> Self:
        processes = ("signal", *self.backgrounds, *self.signals)
        taken = {"mu", *(f"{name}_normalisation" for name in processes)}
        for name in (*self.uncertainties.factors, *self.uncertainties.weights):
            if name in taken or name.startswith("mc_"):
                msg = f"uncertainties: {name!r} is the name of another parameter of the fit; rename it"
                raise ValueError(msg)
        return self

    @property
    def folder(self) -> Path:
        """Where all is made."""
        return Path(self.out)

    @property
    def files(self) -> tuple[str, ...]:
        """The files of data and of all processes, as they are given."""
        simulated = [*self.backgrounds.values(), *self.signals.values()]
        return (*self.events.files, *(name for each in simulated for name in each.files))


def load_any_search(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), *, out: str | None = None
) -> SearchConfig | RegionSearchConfig:
    """Read the configuration of a search: in regions if it has the key ``groups``, or of a mass.

    Parameters
    ----------
    path, overrides, out
        As for `load_regions`.

    Raises
    ------
    ConfigError
        If the file is missing or not YAML, or a key or value cannot be used.
    """
    values = read_yaml(path, out=out, first_key="events")
    if _KEY in values or any(each.startswith(f"{_KEY}=") for each in overrides):
        return validated(RegionSearchConfig, values, overrides, origin=str(path))
    return parse_config(values, overrides, origin=str(path))


def load_regions(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), *, out: str | None = None
) -> RegionSearchConfig:
    """Read the configuration of a search in regions from a YAML file.

    Parameters
    ----------
    path : path-like
        The YAML file.
    overrides : sequence of str
        ``key=value`` with dots between levels, such as ``method.flow.layers=6``; values are YAML.
    out : str, optional
        The run's folder, in place of the one in the file.

    Raises
    ------
    ConfigError
        If the file is missing or not YAML, or a key or value cannot be used.
    """
    values = read_yaml(path, out=out, first_key="events")
    return validated(RegionSearchConfig, values, overrides, origin=str(path))
