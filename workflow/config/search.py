"""The configuration of a search: one YAML file, validated, with a default for all but the files."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from ...core.files.name_lists import expanded
from ...core.identity import no_feature
from ...core.windows import scan_edges
from .background_fit import FitConfig
from .cluster import ClusterConfig
from .event_input import EventsConfig
from .expect import ExpectConfig
from .limits import LimitsConfig
from .region import RegionConfig
from .registries import MethodName, ProcessorName, check_bins
from .sections import Decorrelate, MaybeFiles, NamedSection, PathText, Section, each_once
from .uncertainties import UncertaintiesConfig

__all__ = [
    "MethodConfig",
    "ProcessorConfig",
    "PseudoDatasetsConfig",
    "ScanConfig",
    "SearchConfig",
]


class ProcessorConfig(NamedSection):
    """The processor's registered name; its options may follow beside it."""

    name: ProcessorName = "dijet"


class MethodConfig(NamedSection):
    """The method's registered name; its hyperparameters may follow beside it."""

    name: MethodName = "cwola"

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What the user set of the method's hyperparameters."""
        return self.options


class ScanConfig(Section):
    """The windows: log-spaced bins, of which a few make a signal region, with sidebands beside it.

    The defaults are those of the published CWoLa hunting scan (LHCO 2020, arXiv:2101.08320, §4.1):
    ten windows.

    Attributes
    ----------
    low, high : float
        Range of the resonant mass in GeV.
    bins : int
        Number of log-spaced bins.
    signal_bins, sideband_bins : int
        Bins of a signal region, and of the sideband on each side of it.
    """

    low: Annotated[float, Field(gt=0)] = 2632.0
    high: Annotated[float, Field(gt=0)] = 6000.0
    bins: Annotated[int, Field(ge=3, le=10_000)] = 16
    signal_bins: Annotated[int, Field(ge=1)] = 3
    sideband_bins: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.high <= self.low:
            msg = f"high ({self.high:g} GeV) must be above low ({self.low:g} GeV)"
            raise ValueError(msg)
        needed = self.signal_bins + 2 * self.sideband_bins
        if needed > self.bins:
            msg = (
                f"a window takes signal_bins + 2 × sideband_bins = {needed} bins, "
                f"but there are only {self.bins}; raise bins or narrow the window"
            )
            raise ValueError(msg)
        return self


class PseudoDatasetsConfig(Section):
    """Pseudo-datasets on which the whole search is repeated, training included.

    Attributes
    ----------
    number : int
        How many; the smallest p-value they can show is 1 / (number + 1).
    smearing : float
        How far in ln(mass) events are moved from their own mass, as a standard deviation
        (`overdensity.stats.search.pseudo_datasets.smeared_masses`).
    simulation : tuple of str
        Parquet files of simulated background with the columns of the data, to be used in their
        place.
    """

    number: Annotated[int, Field(ge=1, le=100_000)] = 20
    smearing: Annotated[float, Field(gt=0)] = 0.15
    simulation: MaybeFiles = ()


class SearchConfig(Section):
    """A whole search, as the YAML file describes it.

    Attributes
    ----------
    events : EventsConfig
        The input.
    processor : ProcessorConfig
        What makes columns of events.
    systematics : dict, optional
        Variations of stored jets: the options of `overdensity.processors.JetVariations`.
    mass : str
        Column of the resonant mass (GeV).
    features : tuple of str
        Columns shown to the method.
    region : RegionConfig, optional
        Cuts on columns: only events that pass are searched, and ``overdensity validate region``
        does the same search on the others.
    decorrelate : Decorrelate
        Those of them that follow the mass, and are shown without that.
    method : MethodConfig
        The anomaly method.
    scan : ScanConfig
        The windows.
    selections : tuple of float
        What is searched: background efficiencies of the cuts on the score, and 1 for the spectrum
        of all events, which counts among the trials then.
    calibration : {'conformal', 'none'}
        Whether scores are calibrated in the sidebands first, so that a selection keeps the same
        fraction of background at every mass (`overdensity.stats.conformal_p`).
    folds : int
        Outer folds of the cross-fitting.
    cross_fitting : {'tournament', 'all'}
        Which of the other folds the model of a fold is trained on. ``all`` is the published scheme,
        under which p-values come out too small (`overdensity.ml.training_folds`).
    repeats : int
        Partitions of the events into folds, each with trainings of its own. The significance of a
        window and selection is the mean over them, so that the seed does not decide.
    fit : FitConfig
        The background fit.
    pseudo_experiments : int
        Pseudo-experiments behind the global p-value.
    uncertainties : UncertaintiesConfig
        Systematic uncertainties of signal and background.
    limits : LimitsConfig, optional
        Signals, injections and luminosity for ``overdensity limits``.
    expect : ExpectConfig
        Signal strengths, or a Gaussian resonance, for ``overdensity expect``.
    pseudo_datasets : PseudoDatasetsConfig
        Pseudo-datasets for ``overdensity calibrate``, the search repeated with its training.
    signal : tuple of str
        Parquet files of simulated signal with the columns of the data, if there are any: scored by
        the models of the data, they give the efficiency and the number of signal events before
        selection. The search itself takes no notice of them.
    simulation : tuple of str
        Parquet files of simulated background with the columns of the data, for methods that learn
        from it. The model of a fold learns from those of its events that are not in that fold; the
        same files must not be searched, injected or drawn from elsewhere in the configuration.
    seed : int
        The one seed everything random is derived from.
    cluster : ClusterConfig
        ``local`` (processes on this machine), ``threads``, a Dask scheduler's address, or a
        mapping that describes a batch system or a gateway.
    workers : int, optional
        Workers of a cluster that is started for the run; on this machine by default one per core.
    columns : str, optional
        Where processed columns go, if not into the run's folder: any fsspec URL that workers can
        write and the client can read.
    out : str, optional
        The run's folder; by default ``runs/<name of the configuration file>``.

    Examples
    --------
    >>> config = SearchConfig(events={"files": ["box.parquet"]}, scan={"low": 3000})
    >>> config.scan.low, config.scan.high, config.method.name
    (3000.0, 6000.0, 'cwola')
    """

    events: EventsConfig
    processor: ProcessorConfig = ProcessorConfig()
    systematics: dict[str, Any] | None = None
    mass: str = "mjj"
    features: Annotated[
        tuple[str, ...], BeforeValidator(expanded), AfterValidator(each_once), Field(min_length=1)
    ] = (
        "j1_mass",
        "j2_mass",
        "j1_tau21",
        "j2_tau21",
    )
    region: RegionConfig | None = None
    decorrelate: Decorrelate = Decorrelate()
    method: MethodConfig = MethodConfig()
    scan: ScanConfig = ScanConfig()
    selections: Annotated[tuple[float, ...], Field(min_length=1)] = (1.0, 0.1, 0.01, 0.002)
    calibration: Literal["conformal", "none"] = "conformal"
    folds: Annotated[int, Field(ge=2, le=100)] = 7
    cross_fitting: Literal["tournament", "all"] = "tournament"
    repeats: Annotated[int, Field(ge=1, le=1000)] = 3
    fit: FitConfig = FitConfig()
    pseudo_experiments: Annotated[int, Field(ge=100, le=100_000_000)] = 10_000
    uncertainties: UncertaintiesConfig = UncertaintiesConfig()
    limits: LimitsConfig | None = None
    expect: ExpectConfig = ExpectConfig()
    pseudo_datasets: PseudoDatasetsConfig = PseudoDatasetsConfig()
    signal: MaybeFiles = ()
    simulation: MaybeFiles = ()
    seed: Annotated[int, Field(ge=0)] = 1
    cluster: ClusterConfig = ClusterConfig()
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    columns: PathText | None = None
    out: PathText | None = None

    @property
    def cuts(self) -> tuple[float, ...]:
        """The selections that cut on the score, from loose to tight: without 1."""
        return tuple(efficiency for efficiency in self.selections if efficiency < 1)

    @property
    def spectra(self) -> tuple[float, ...]:
        """1 for the unselected spectrum, which is always fitted, then the cuts."""
        return (1.0, *self.cuts)

    @property
    def window_bins(self) -> range:
        """Bins of the scan that a signal region may have: one number, or several of a bump hunt."""
        if self.fit.background != "bump_hunt":
            return range(self.scan.signal_bins, self.scan.signal_bins + 1)
        narrowest, widest = self.fit.widths
        return range(narrowest, widest + 1)

    def tested_bins(self, left_out: int = 0) -> int:
        """Return how many bins tell the goodness of the fits beside a window.

        Parameters
        ----------
        left_out : int
            Bins of the scan below the start of the fits.
        """
        no_test = max(self.window_bins) + 2  # a resonance leaks into one on either side
        return max(self.scan.bins - left_out - no_test, 0) * self.fit.bins_per_bin

    @field_validator("selections")
    @classmethod
    def _selections_are_nested_cuts(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for efficiency in value:
            if not 0 < efficiency <= 1:
                msg = f"a selection is a background efficiency between 0 and 1, not {efficiency:g}"
                raise ValueError(msg)
        if not any(efficiency < 1 for efficiency in value):
            msg = (
                "1 is the spectrum of all events; give a selection below 1 beside it, such as 0.01"
            )
            raise ValueError(msg)
        return tuple(sorted(each_once(value), reverse=True))

    @field_validator("out")
    @classmethod
    def _the_runs_folder_is_local(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            msg = "the run's folder must be on a file system, not behind a URL"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _every_fold_has_others_to_learn_from(self) -> Self:
        if self.cross_fitting == "tournament" and self.folds < 3:
            msg = f"folds: cross_fitting: tournament needs at least 3 folds, not {self.folds}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _intervals_fit_into_the_scan(self) -> Self:
        widest, scan = max(self.window_bins), self.scan
        if widest + 2 * scan.sideband_bins > scan.bins:
            msg = (
                f"fit.widths: an interval of {widest} bins with {scan.sideband_bins} on either side "
                f"does not fit into scan.bins: {scan.bins}; raise that, or narrow the intervals"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _fits_begin_in_the_scan(self) -> Self:
        start, scan = self.fit.start, self.scan
        if isinstance(start, float) and not scan.low <= start < scan.high:
            msg = (
                f"fit.start: {start:g} GeV is not in the scan, from {scan.low:g} to {scan.high:g} GeV; "
                "choose a mass in it"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _functions_have_bins_to_be_tested_in(self) -> Self:
        if not self.fit.fits_function:
            return self
        scan, start, key = self.scan, self.fit.start, ""
        edges, below = scan_edges(scan.low, scan.high, scan.bins), 0
        if isinstance(start, float):
            below, key = int(np.searchsorted(edges, start * (1 - 1e-9))), f" above {start:g} GeV"
        bins = self.tested_bins(below)
        check_bins(f"fit.function{key}", self.fit.function, bins)
        for name in self.uncertainties.functions:
            check_bins(f"uncertainties.functions{key}", name, bins)
        return self

    @model_validator(mode="after")
    def _other_backgrounds_do_without(self) -> Self:
        needing = {
            "fit.start: auto": self.fit.start == "auto",
            "fit.spurious": self.fit.spurious != "none",
            "uncertainties": self.uncertainties != UncertaintiesConfig(),
            "limits": self.limits is not None,
        }
        for what in (key for key, given in needing.items() if given):
            self.fit.check_fitted(what)
        one = {"calibration: conformal": self.calibration != "none", "repeats": self.repeats > 1}
        for what in (key for key, given in one.items() if given and self.fit.background == "abcd"):
            msg = (
                f"fit.background: abcd cuts on both scores as they are, once, without {what}; set "
                "calibration: none and repeats: 1"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _simulation_is_learnt_from_alone(self) -> Self:
        scored = {
            "signal": self.signal,
            "pseudo_datasets.simulation": self.pseudo_datasets.simulation,
            "limits.background": (self.limits.background if self.limits else None) or (),
            "events.files": self.events.files if isinstance(self.events.files, tuple) else (),
        }
        for key, files in scored.items():
            for name in self.simulation:
                if name in files:
                    msg = (
                        f"simulation: {name} is among {key} too, where it would be scored by models "
                        "that learnt from it; divide the events into two files"
                    )
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _features_are_not_the_mass(self) -> Self:
        if self.mass in self.features:
            msg = f"the mass {self.mass!r} is among the features: it would be learnt; leave it out"
            raise ValueError(msg)
        if msg := no_feature(self.features):
            raise ValueError(msg)
        if self.region is not None and "label" in self.region.columns:
            msg = "region.cuts: 'label' is the truth, which data do not have; cut on something else"
            raise ValueError(msg)
        if self.region is not None and self.mass in self.region.columns:
            msg = f"region.cuts: {self.mass!r} is the mass; its range is scan.low and scan.high"
            raise ValueError(msg)
        return self
