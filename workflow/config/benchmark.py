"""The configuration of a benchmark: one YAML file that says what is compared on which events."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, field_validator, model_validator

from ...core.identity import no_feature
from ...core.windows import geometric_center, log_edges
from ...ml import Window
from .cluster import ClusterConfig
from .search import MethodConfig
from .sections import Decorrelate, FilesSection, LocalFolder, Section, by_label, each_once

__all__ = [
    "BenchmarkConfig",
    "BenchmarkMethod",
    "SourceConfig",
    "SpectrumConfig",
    "WindowConfig",
]


class SourceConfig(FilesSection):
    """Events of one kind; the files alone will do.

    Attributes
    ----------
    files : tuple of str
        Columns (Parquet): paths, patterns, folders.
    rows : tuple of int, optional
        The first row that is taken, and the first that no longer is; all by default.
    label : {0, 1}, optional
        Take only the events with this label, from files that hold both kinds. By default the
        files hold one kind, and what it is follows from the key they stand under.
    """

    rows: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]] | None = None
    label: Literal[0, 1] | None = None

    @field_validator("rows")
    @classmethod
    def _rows_are_a_range(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and value[0] >= value[1]:
            msg = "rows are the first one and the one after the last"
            raise ValueError(msg)
        return value


class WindowConfig(Section):
    """The window, in GeV.

    Attributes
    ----------
    low, high : float
        The signal region.
    sideband_low, sideband_high : float
        Outer edges of the sidebands.
    center : float, optional
        The mass hypothesis; by default the geometric mean of `low` and `high`.
    """

    low: Annotated[float, Field(gt=0)]
    high: float
    sideband_low: Annotated[float, Field(gt=0)]
    sideband_high: float
    center: float | None = None

    @model_validator(mode="after")
    def _edges_increase(self) -> Self:
        center = self.low if self.center is None else self.center
        if not self.sideband_low < self.low <= center < self.high < self.sideband_high:
            msg = "a window needs sideband_low < low < center < high < sideband_high"
            raise ValueError(msg)
        return self

    def window(self) -> Window:
        """Return it as methods take it."""
        center = geometric_center(self.low, self.high) if self.center is None else self.center
        return Window(float(center), self.low, self.high, self.sideband_low, self.sideband_high)


class SpectrumConfig(Section):
    """The spectra before and after selection, in which sculpting is measured.

    Attributes
    ----------
    low, high : float, optional
        Range of the resonant mass, GeV; by default the window with its sidebands.
    bins : int
        Number of log-spaced bins.
    """

    low: Annotated[float, Field(gt=0)] | None = None
    high: float | None = None
    bins: Annotated[int, Field(ge=2, le=10_000)] = 20


class BenchmarkMethod(MethodConfig):
    """A method with its settings; hyperparameters may follow beside them.

    Attributes
    ----------
    name : str
        Its registered name; by default the one it has in the table.
    simulation : {'extra', 'file'}, optional
        What a method that needs simulation is given: the extra background (then it is
        cross-fitted, since that is the test background too), or the events of `simulation`.
    features : tuple of str, optional
        Its features, in place of those of the benchmark.
    decorrelate : Decorrelate
        Those of them that it is shown without their dependence on the mass.
    """

    simulation: Literal["extra", "file"] | None = None
    features: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    decorrelate: Decorrelate = Decorrelate()


class BenchmarkConfig(Section):
    """A benchmark, as the YAML file describes it.

    Attributes
    ----------
    background : SourceConfig
        Background of the data.
    injected : SourceConfig
        Signal events that may be hidden in the data.
    test_signal : SourceConfig
        Signal events that methods are tested with.
    extra_background : SourceConfig, optional
        More of the true background: label 0 of methods that need labels, simulation of methods
        with ``simulation: extra``, and, out-of-fold, the test background of all.
    test_background : SourceConfig, optional
        Another test background, with which nothing needs to be cross-fitted.
    training_signal : SourceConfig, optional
        Label 1 of methods that need labels.
    simulation : SourceConfig, optional
        Simulated background, for methods with ``simulation: file``.
    mass : str
        Column of the resonant mass (GeV).
    features : tuple of str
        Columns shown to the methods.
    shift : dict of str to float
        Features to which a multiple of the mass is added, in all events: a feature that depends on
        the mass, such as mJ → mJ + 0.1 mjj.
    window : WindowConfig
        Where methods are trained and tested.
    methods : dict of str to BenchmarkMethod
        By their names in the table; a list of registered names will do.
    strengths : tuple of float
        Numbers of signal events in the data, at all masses.
    signal_to_background : tuple of float
        The same as S/B in the signal region; one of both is given.
    draw : {'random', 'first'}
        Whether each seed hides a random subset of `injected`, or all the first events; larger
        strengths contain the smaller ones.
    seeds : tuple of int
        Each is a training, and a subset of signal; a number n stands for 1 to n.
    folds : int
        Folds of the extra background, where a method trains on it.
    selections : tuple of float
        Background efficiencies at which SIC and sculpting are quoted.
    min_background : int
        Test background events that the maximum SIC must keep.
    spectrum : SpectrumConfig
        Where sculpting is measured.
    cluster : ClusterConfig
        As for a search.
    workers : int, optional
        Workers of a cluster that is started for the run.
    out : str
        Folder of the result; by default ``runs/<name of the configuration file>``.
    """

    background: SourceConfig
    injected: SourceConfig
    test_signal: SourceConfig
    extra_background: SourceConfig | None = None
    test_background: SourceConfig | None = None
    training_signal: SourceConfig | None = None
    simulation: SourceConfig | None = None
    mass: str = "mjj"
    features: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "j1_mass",
        "j2_mass",
        "j1_tau21",
        "j2_tau21",
    )
    shift: dict[str, float] = Field(default_factory=dict)
    window: WindowConfig
    methods: Annotated[dict[str, BenchmarkMethod], BeforeValidator(by_label), Field(min_length=1)]
    strengths: tuple[Annotated[float, Field(ge=0)], ...] = ()
    signal_to_background: tuple[Annotated[float, Field(ge=0)], ...] = ()
    draw: Literal["random", "first"] = "random"
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (1, 2, 3, 4, 5)
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    selections: Annotated[tuple[float, ...], Field(min_length=1)] = (0.01, 0.001)
    min_background: Annotated[int, Field(ge=1)] = 25
    spectrum: SpectrumConfig = SpectrumConfig()
    cluster: ClusterConfig = ClusterConfig()
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    out: LocalFolder = "runs/benchmark"

    @field_validator("seeds", mode="before")
    @classmethod
    def _a_number_of_seeds(cls, value: Any) -> Any:
        return tuple(range(1, value + 1)) if isinstance(value, int) else value

    @field_validator("strengths", "signal_to_background", "selections", "seeds")
    @classmethod
    def _nothing_twice(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return each_once(value)

    @field_validator("selections")
    @classmethod
    def _selections_are_efficiencies(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for efficiency in value:
            if not 0 < efficiency < 1:
                msg = f"a selection is a background efficiency between 0 and 1, not {efficiency:g}"
                raise ValueError(msg)
        return tuple(sorted(value, reverse=True))

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        if bool(self.strengths) == bool(self.signal_to_background):
            msg = "give either strengths, in events, or signal_to_background"
            raise ValueError(msg)
        if self.extra_background is None and self.test_background is None:
            msg = "there is nothing to test with: give extra_background, or test_background"
            raise ValueError(msg)
        used = {feature for label in self.methods for feature in self.features_of(label)}
        if self.mass in used:
            msg = f"the mass {self.mass!r} is among the features: it would be learnt; leave it out"
            raise ValueError(msg)
        if msg := no_feature(sorted(used)):
            raise ValueError(msg)
        for feature in self.shift:
            if feature not in used:
                msg = f"shift: {feature!r} is none of the features {', '.join(sorted(used))}"
                raise ValueError(msg)
        low, high = self.mass_range
        if not low < high:
            msg = f"spectrum: low ({low:g} GeV) must be below high ({high:g} GeV)"
            raise ValueError(msg)
        return self

    @property
    def mass_range(self) -> tuple[float, float]:
        """Return the range of the spectra, GeV."""
        spectrum, window = self.spectrum, self.window
        return (
            window.sideband_low if spectrum.low is None else spectrum.low,
            window.sideband_high if spectrum.high is None else spectrum.high,
        )

    @property
    def edges(self) -> NDArray[np.float64]:
        """Return the bin edges of the spectra, GeV."""
        return log_edges(*self.mass_range, self.spectrum.bins)

    def features_of(self, label: str) -> tuple[str, ...]:
        """Return the features of a method, by its name in the table."""
        return self.methods[label].features or self.features
