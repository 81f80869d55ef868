"""The run of a search: its configuration, its folder, its columns, and what follows from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError
from ...core.files.locks import locked
from ...ml import Folding, Method, Window, make_method, scan_edges, scan_windows
from ...ml.decorrelation.decorrelated import decorrelated
from ...ml.thin_windows import ThinWindow, all_are_thin, thin_window
from ...stats import FitModel, subdivide
from ...stats.search.fit_start import FitStart, beyond_start
from ..config.dependencies import Stage, keys_of, value_of
from ..config.search import SearchConfig
from ..models.written_files import START_FILE, write_configuration
from .inputs.counted_events import events_in_region
from .inputs.event_files import column_files, varied_columns
from .provenance import file_states, stage_key

__all__ = ["Run", "derived_seed", "held_run", "open_run"]

_ONE_AT_A_TIME = "commands of one run go one after the other, as each may make its scores, results and report anew"


@dataclass(frozen=True, eq=False)
class Run:
    """A run of a search: what all its stages need.

    What follows from the configuration is worked out once, when it is first asked for.

    Attributes
    ----------
    config : SearchConfig
        The search.
    repeat : int
        Which of its partitions into folds (`partitions`).

    Examples
    --------
    >>> run = Run(SearchConfig(events={"files": ["box.parquet"]}, out="runs/box"))
    >>> len(run.all_windows), run.edges.shape, run.fit_edges.shape, run.method.name
    (10, (17,), (33,), 'cwola')
    """

    config: SearchConfig
    repeat: int = 0

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.config.out or "runs/search")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Parquet files of the events: those made for the run, or those it was given.

        Raises
        ------
        InputError
            If there are none yet.
        """
        return tuple(column_files(self.config, self.folder))

    @cached_property
    def all_windows(self) -> tuple[Window, ...]:
        """The windows of the scan, searched or not; of a bump hunt, all of one width after another."""
        scan = self.config.scan.model_dump()
        return tuple(
            window
            for width in self.config.window_bins
            for window in scan_windows(**{**scan, "signal_bins": width})
        )

    @cached_property
    def left_out(self) -> tuple[ThinWindow, ...]:
        """The windows that are not searched, since they are too thin to be trained on.

        They follow from the events of the run (`overdensity.ml.thin_windows`); whatever repeats the
        search, on pseudo-datasets or with injected signal, leaves out the same.

        Raises
        ------
        InputError
            If these are all windows, or the columns cannot be used.
        """
        if not self.method.windowed:
            return ()
        trained_on = [("events", self.columns, self.folding.training_share)]
        if "simulation" in self.method.needs:
            share = 1 - 1 / self.folding.folds
            trained_on.append(("simulated events", self.config.simulation, share))
        thin: dict[float, ThinWindow] = {}
        for events, files, share in trained_on:
            if not files:  # refused where the simulation is read
                continue
            config = self.config
            mass = events_in_region(files, config.mass, (), config.region).mass
            fewest = self.method.fewest_events
            for window in self.all_windows:
                found = thin_window(window, mass, fewest=fewest, share=share, events=events)
                if found is not None:
                    thin.setdefault(window.low, found)
        if len(thin) == len(self.all_windows):
            raise InputError(all_are_thin(list(thin.values())))
        return tuple(thin[low] for low in sorted(thin))

    @cached_property
    def start(self) -> float:
        """The mass at which fits begin, GeV, an edge of the scan (``fit.start``).

        With ``auto`` it is the lower end of the scan until it has been chosen (`starting_at`).
        """
        wanted, edges = self.config.fit.start, self._all_edges
        if wanted is None:
            return float(edges[0])
        if wanted != "auto":
            return float(edges[np.searchsorted(edges, wanted * (1 - 1e-9))])
        path = self.folder / START_FILE
        chosen = FitStart.earlier(path)  # one that is damaged is chosen anew, with the results
        return float(edges[0]) if chosen is None else chosen.start

    def starting_at(self, start: float) -> Run:
        """Return the run whose fits begin at a mass, an edge of the scan in GeV."""
        other = replace(self)
        for found in ("columns", "left_out"):
            if found in self.__dict__:
                other.__dict__[found] = self.__dict__[found]
        other.__dict__["start"] = start
        return other

    @property
    def for_training(self) -> Run:
        """The run with all windows that may be searched: the start is not chosen before there are scores."""
        return self.starting_at(self.lowest_start) if self.config.fit.start == "auto" else self

    @property
    def lowest_start(self) -> float:
        """The lower end of the scan, GeV."""
        return float(self._all_edges[0])

    @property
    def bins_below(self) -> int:
        """Bins of the fits between their start and the signal region of a window that is searched."""
        scan = self.config.scan
        if self.config.fit.start is None:
            return scan.sideband_bins * self.config.fit.bins_per_bin
        return max(1, scan.sideband_bins // 2) * self.config.fit.bins_per_bin

    @cached_property
    def _trained(self) -> tuple[Window, ...]:
        """The windows of the scan without those that are too thin, in the order of their scores."""
        thin = {window.low for window in self.left_out}
        return tuple(window for window in self.all_windows if window.low not in thin)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The windows that are searched: neither too thin nor too near the start of the fits."""
        regions = [(window.low, window.high) for window in self._trained]
        fine = subdivide(self._all_edges, self.config.fit.bins_per_bin)
        far = beyond_start(fine, regions, self.start, self.bins_below)
        if not np.any(far):
            msg = f"fit.start: no window is left above {self.start:.0f} GeV; start lower, or scan higher"
            raise ConfigError(msg)
        return tuple(window for window, good in zip(self._trained, far, strict=True) if good)

    @cached_property
    def regions(self) -> list[tuple[float, float]]:
        """Lower and upper edge of each signal region, GeV."""
        return [(window.low, window.high) for window in self.windows]

    @cached_property
    def _all_edges(self) -> NDArray[np.float64]:
        """Edges of the bins of the scan, GeV, shape (scan.bins + 1,)."""
        scan = self.config.scan
        return scan_edges(scan.low, scan.high, scan.bins)

    @cached_property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins of the scan from the start of the fits on, GeV, shape (n_bins + 1,)."""
        return self._all_edges[self._all_edges >= self.start * (1 - 1e-9)]

    @cached_property
    def fit_edges(self) -> NDArray[np.float64]:
        """Edges of the bins of the fits, GeV, ``fit.bins_per_bin`` in each bin of the scan."""
        return subdivide(self.edges, self.config.fit.bins_per_bin)

    @cached_property
    def fit_model(self) -> FitModel:
        """How the background is fitted, and which fits may be quoted."""
        fit, prior = self.config.fit, self.config.fit.efficiency.prior
        free = 1.0 if fit.has_one_score else None
        return FitModel(
            fit.function,
            guard=fit.bins_per_bin,
            efficiency_order=fit.efficiency.order,
            efficiency_prior=free if prior == "measured" else prior,
            background=fit.multiplied,
            gof_threshold=fit.gof_threshold,
        )

    @cached_property
    def method(self) -> Method[Any]:
        """The anomaly method, untrained: cross-fitting trains copies of it.

        It is shown the features as `decorrelate` says.

        Raises
        ------
        ConfigError
            If the method, a hyperparameter or a feature is unknown, or the method learns from
            labels: those of the events that are searched would be the answer; or another score in
            each window where the background has one for all.
        """
        method, wanted = self._bare_method, self.config.decorrelate
        if "labels" in method.needs:
            msg = (
                f"method {method.name!r} learns from the truth, which a search must not know of the "
                "events it searches; use it in 'overdensity benchmark', or choose another method"
            )
            raise ConfigError(msg)
        method = decorrelated(method, wanted.features, among=self.config.features, by=wanted.by)
        self.config.fit.check_scores(
            method.name, windowed=method.windowed, two=method.has_two_scores
        )
        return method

    @cached_property
    def _bare_method(self) -> Method[Any]:
        """The method before features are decorrelated."""
        return make_method(self.config.method.name, **self.config.method.hyperparameters)

    @cached_property
    def folding(self) -> Folding:
        """How the events are divided for cross-fitting, in this partition."""
        config = self.config
        return Folding(seed=self.seed, folds=config.folds, scheme=config.cross_fitting)

    @property
    def seed(self) -> int:
        """The seed of this partition into folds; of the first it is that of the search."""
        config = self.config
        return derived_seed(config.seed, 3, self.repeat) if self.repeat else config.seed

    @property
    def partitions(self) -> tuple[Run, ...]:
        """The run in each of its partitions into folds, which the seed decides beforehand."""
        return tuple(map(self.partition, range(self.config.repeats)))

    def partition(self, repeat: int) -> Run:
        """Return the run in one of its partitions into folds."""
        if repeat == self.repeat:
            return self
        other = replace(self, repeat=repeat)
        for found in ("columns", "left_out", "start"):
            if found in self.__dict__:
                other.__dict__[found] = self.__dict__[found]
        return other

    def leaving_out(self, thin: tuple[ThinWindow, ...]) -> Run:
        """Return the run, which need not read its events to know which windows are left out."""
        self.__dict__["left_out"] = thin
        return self

    @cached_property
    def training_windows(self) -> tuple[int, ...]:
        """For each window, the number of that in which its scores are made.

        It is the window itself, or the first where the method learns the same in all; windows before
        the start of the fits are counted, too.
        """
        if not self.method.windowed:
            return (0,) * len(self.windows)
        numbers = {window.low: number for number, window in enumerate(self._trained)}
        return tuple(numbers[window.low] for window in self.windows)

    @property
    def own_training(self) -> tuple[bool, ...]:
        """For each window, whether it has trainings of its own."""
        return tuple(self.method.windowed or not number for number in range(len(self.windows)))

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the varied columns of ``signal``, ``jes_up`` and so on.

        Raises
        ------
        ConfigError
            If there is no simulated signal that could be varied.
        """
        names, limits = self.config.uncertainties.variations, self.config.limits
        if self.config.signal:
            return tuple(f"{name}_{sign}" for name in names for sign in ("up", "down"))
        if names and not (limits is not None and limits.signals):
            msg = (
                f"uncertainties.variations: {names[0]} is of a simulated signal: name its columns "
                "under signal or limits.signals, or leave it out"
            )
            raise ConfigError(msg)
        return ()

    def forget_columns(self) -> None:
        """Look for the columns anew when they are next asked for: others have been made."""
        for found in ("columns", "left_out", "_trained", "windows", "regions", "training_windows"):
            self.__dict__.pop(found, None)

    def in_scan(self, mass: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Return which masses, shape (n_events,) in GeV, lie in the range of the scan."""
        return (mass >= self.config.scan.low) & (mass < self.config.scan.high)

    def key(self, stage: Stage, *more: Any, files: Sequence[str] | None = None) -> str:
        """Return the key of all that a stage depends on, by the table of `dependencies`.

        Parameters
        ----------
        stage : str
            Its name.
        *more
            What else it depends on, as plain JSON.
        files : sequence of str, optional
            The events it takes; by default the columns of the run.
        """
        states = file_states(self.columns if files is None else files)
        more = (*more, f"partition {self.repeat}") if self.repeat else more
        return stage_key(stage, states, {key: self._state(key) for key in keys_of(stage)}, *more)

    def _state(self, key: str) -> Any:
        """Return what a key stands for: files by their state, the method with all its defaults."""
        value = value_of(self.config, key)
        if key == "method":
            learnt = self._bare_method.learnt_files
            state = [self.config.method.name, dataclasses.asdict(self._bare_method.hyper)]
            return [*state, file_states(learnt)] if learnt else state
        if key == "simulation" and "simulation" not in self.method.needs:
            return []
        if key == "uncertainties.variations":
            states = [file_states(varied_columns(self.config.signal, x)) for x in self.varied]
            return [value, states]
        if key in {"signal", "simulation", "pseudo_datasets.simulation"}:
            return file_states(value)
        if key == "fit" and not isinstance(value["spurious"], str):
            return {**value, "spurious": file_states(value["spurious"])}
        return value

    def __getstate__(self) -> dict[str, Any]:
        """Send a worker the configuration, and what it need not find: columns and thin windows."""
        kept = ("config", "repeat", "columns", "left_out", "start")
        return {key: self.__dict__[key] for key in kept if key in self.__dict__}


def derived_seed(seed: int, *path: int) -> int:
    """Return a seed that follows from that of a search, another one for each path of numbers.

    Examples
    --------
    >>> len({derived_seed(1), derived_seed(1, 0), derived_seed(1, 1), derived_seed(2, 1)})
    4
    """
    sequence = np.random.SeedSequence(seed, spawn_key=path)
    return int(sequence.generate_state(1, np.uint32)[0])


@contextmanager
def held_run(config: SearchConfig) -> Iterator[Run]:
    """Open the run of a configuration, which no other process works on meanwhile.

    Nor does one that writes other files: limits and pseudo-datasets make scores and results where these
    are missing or of another configuration, which would change under the other.

    Raises
    ------
    InputError
        If one does.
    """
    folder = Run(config).folder
    with locked(folder / ".lock", what=str(folder), why=_ONE_AT_A_TIME):
        yield open_run(config)


def open_run(config: SearchConfig) -> Run:
    """Return the run of a configuration; its folder is made, with a copy of the whole of it.

    Raises
    ------
    InputError
        If the folder is that of a search in regions.
    """
    run = Run(config)
    run.folder.mkdir(parents=True, exist_ok=True)
    write_configuration(run.folder, config)
    return run
