"""The events of a benchmark: what a method is trained on, and what it is tested with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, nearest_names
from ...ml import Sample, make_method, methods
from ..config.benchmark import BenchmarkConfig, BenchmarkMethod, SourceConfig
from ..stages.before_training import refuse_learnt
from ..stages.inputs.event_files import column_paths
from ..stages.provenance import file_states
from ..stages.samples import read_columns

__all__ = [
    "check_benchmark",
    "concatenated",
    "is_cross_fitted",
    "load_source",
    "needs_of",
    "source_files",
    "source_states",
    "sources_of",
    "strengths_of",
    "training_events",
]

_KINDS = {  # what the events of a source are
    "background": 0,
    "extra_background": 0,
    "test_background": 0,
    "simulation": 0,
    "injected": 1,
    "training_signal": 1,
    "test_signal": 1,
}
_TESTED = ("test_background", "test_signal")


def check_benchmark(config: BenchmarkConfig) -> None:
    """Refuse what cannot be used of methods and events, before a cluster starts.

    Raises
    ------
    ConfigError
        If a method or hyperparameter is unknown, or lacks what it needs, or learns by itself from a
        file with which it would be tested.
    InputError
        If files, rows or columns cannot be used, the strengths need more signal than there is, or
        events of the test are among those to be trained on.
    """
    known = [info.name for info in methods()]
    for label, method in config.methods.items():
        if method.name not in known:
            msg = (
                f"methods.{label}: no method is called {method.name!r}; "
                f"{nearest_names(method.name, known)}"
            )
            raise ConfigError(msg)
        _check_needs(config, label, needs_of(method))
        for name in sources_of(config, label):
            _refuse_empty(name, load_source(config, name, config.features_of(label)))
        for name in (_test_background(config), "test_signal"):
            files = source_files(_source(config, name))
            refuse_learnt(make_method(method.name, **method.hyperparameters), name, files)
        _refuse_tested_in_training(config, label)
        _refuse_little_test(config, label)
    if any("labels" not in needs_of(method) for method in config.methods.values()):
        strengths_of(config)


def sources_of(config: BenchmarkConfig, label: str) -> list[str]:
    """Return the names of the sources that a method uses: those of the test first."""
    method = config.methods[label]
    found = [_test_background(config), "test_signal"]
    if "labels" in needs_of(method):
        found += ["extra_background", "training_signal"]
    else:
        found += ["background", "injected"]
    if method.simulation is not None:
        found.append("extra_background" if method.simulation == "extra" else "simulation")
    return list(dict.fromkeys(found))


def is_cross_fitted(config: BenchmarkConfig, label: str) -> bool:
    """Return whether a method trains on the background that it is tested with."""
    method = config.methods[label]
    uses_extra = "labels" in needs_of(method) or method.simulation == "extra"
    return uses_extra and config.test_background is None


def strengths_of(config: BenchmarkConfig) -> tuple[int, ...]:
    """Return the numbers of injected signal events, increasing.

    Raises
    ------
    InputError
        If there are not so many signal events, or none in the signal region.
    """
    window, features = config.window.window(), config.features_of(next(iter(config.methods)))
    injected = load_source(config, "injected", features)
    wanted = np.array(sorted(config.strengths), dtype=float)
    if config.signal_to_background:
        background = load_source(config, "background", features)
        n_background = np.count_nonzero(window.signal(background.mass))
        share = np.mean(window.signal(injected.mass))
        if not share > 0:
            msg = f"injected: none of {len(injected)} signal events lies in {window}"
            raise InputError(msg)
        wanted = np.array(sorted(config.signal_to_background)) * n_background / share
    numbers = [round(number) for number in wanted.tolist()]
    if numbers[-1] > len(injected):
        msg = (
            f"injected: {len(injected)} signal events cannot give a strength of {numbers[-1]}; "
            "give more, or smaller strengths"
        )
        raise InputError(msg)
    if len(set(numbers)) < len(numbers):
        msg = f"signal_to_background: two values give the same number of events: {numbers}"
        raise InputError(msg)
    return tuple(numbers)


def training_events(
    config: BenchmarkConfig, label: str, *, n_signal: int | None, seed: int
) -> tuple[Sample, Sample | None]:
    """Return what a method learns from, before any fold is held out.

    Parameters
    ----------
    config : BenchmarkConfig
        The benchmark.
    label : str
        The method's name in the table.
    n_signal : int, optional
        Signal events among the data; None for methods that need labels, which get the extra
        background and the training signal.
    seed : int
        Which signal events those are, if they are drawn at random.

    Returns
    -------
    data : Sample
        With labels.
    simulation : Sample or None
        Without.
    """
    features = config.features_of(label)
    if n_signal is None:
        background = load_source(config, "extra_background", features)
        signal = load_source(config, "training_signal", features)
    else:
        background = load_source(config, "background", features)
        signal = load_source(config, "injected", features)
        order = np.arange(len(signal))
        if config.draw == "random":
            order = np.random.default_rng([seed, 1]).permutation(len(signal))
        signal = signal.take(np.sort(order[:n_signal]))
    kind = config.methods[label].simulation
    simulation = None
    if kind is not None:
        name = "extra_background" if kind == "extra" else "simulation"
        simulation = load_source(config, name, features).without_label()
    return concatenated(background, signal), simulation


def concatenated(*samples: Sample) -> Sample:
    """Return the events of samples with the same features and with labels as one sample."""
    return Sample.concatenated(*(dataclasses.replace(sample, weight=None) for sample in samples))


def load_source(config: BenchmarkConfig, name: str, features: tuple[str, ...]) -> Sample:
    """Read the events of a source, shifted, with the label of their kind.

    Raises
    ------
    InputError
        If files, rows or columns cannot be used, or a label is not that of the kind.
    """
    name = _test_background(config) if name == "test_background" else name
    source = _source(config, name)
    shift = tuple(config.shift.get(feature, 0.0) for feature in features)
    return _load(
        name,
        tuple(file_states(source_files(source))),
        config.mass,
        features,
        shift,
        source.rows,
        source.label,
    )


def source_states(config: BenchmarkConfig, names: Sequence[str]) -> list[object]:
    """Return what the events of sources depend on, for the key of a result."""
    return [
        (name, file_states(source_files(source)), source.rows, source.label)
        for name in names
        for source in [_source(config, name)]
    ]


def source_files(source: SourceConfig) -> list[str]:
    """Return the files of a source, absolute."""
    return column_paths(source.files)


@lru_cache(maxsize=12)
def _load(  # noqa: PLR0917 - all that the events depend on
    name: str,
    state: tuple[tuple[str, int, str], ...],
    mass: str,
    features: tuple[str, ...],
    shift: tuple[float, ...],
    rows: tuple[int, int] | None,
    label: int | None,
) -> Sample:
    """Read a source once for all tasks of a worker."""
    files = [each for each, *_ in state]
    sample = read_columns(
        files, mass=mass, features=features, weights="refused", order="files"
    ).sample
    where = f"{name}: {state[0][0]}"
    if rows is not None:
        if rows[1] > len(sample):
            msg = f"{where}: rows {rows[0]} to {rows[1]} are asked for, and {len(sample)} are there"
            raise InputError(msg)
        sample = sample.take(np.arange(*rows))
    if label is not None:
        if sample.label is None:
            msg = f"{where}: has no column 'label', by which events are to be taken"
            raise InputError(msg)
        sample = sample.take(sample.label == label)
    kind = _KINDS[name]
    wrong = 0 if sample.label is None else int(np.count_nonzero(sample.label != kind))
    if wrong:
        msg = (
            f"{where}: {wrong} of {len(sample)} events do not have the label {kind}; to take only "
            f"those that have it, give label: {kind}"
        )
        raise InputError(msg)
    moved = [dict(zip(features, shift, strict=True))[each] for each in sample.names]
    return dataclasses.replace(
        sample,
        features=sample.features + np.outer(sample.mass, moved).astype(np.float32),
        weight=None,
        label=np.full(len(sample), kind, np.int8),
    )


def _check_needs(config: BenchmarkConfig, label: str, needs: tuple[str, ...]) -> None:
    method = config.methods[label]
    if "simulation" in needs and method.simulation is None:
        msg = (
            f"methods.{label}: method {method.name!r} needs simulation; say simulation: extra (the "
            "extra background, an ideal simulation), or simulation: file (the key 'simulation')"
        )
        raise ConfigError(msg)
    if "simulation" not in needs and method.simulation is not None:
        msg = f"methods.{label}: method {method.name!r} takes no simulation; leave it out"
        raise ConfigError(msg)
    for name in sources_of(config, label):
        if getattr(config, name) is None:
            msg = (
                f"methods.{label}: method {method.name!r} needs the key {name!r}, which is missing"
            )
            raise ConfigError(msg)


def _refuse_empty(name: str, sample: Sample) -> None:
    if not len(sample):
        msg = f"{name}: holds no events"
        raise InputError(msg)


def _refuse_little_test(config: BenchmarkConfig, label: str) -> None:
    """Raise an InputError if the tightest selection keeps no event of the test background."""
    window, (low, high) = config.window.window(), config.mass_range
    features, tightest = config.features_of(label), min(config.selections)
    signal = load_source(config, "test_signal", features).mass
    background = load_source(config, "test_background", features).mass
    # Each model selects its own share of the spectrum: one event of it at least.
    models = config.folds if is_cross_fitted(config, label) else 1
    region, spectrum = str(window), f"the spectrum of {low:g} to {high:g} GeV"
    in_spectrum = (background >= low) & (background < high)
    in_region = window.signal(background)
    for name, inside, where, needed in (
        ("test_signal", window.signal(signal), region, 2),
        ("test_background", in_region, region, max(config.min_background, 1 / tightest)),
        ("test_background", in_spectrum, spectrum, models / tightest),
    ):
        if np.count_nonzero(inside) < needed:
            msg = (
                f"{name}: {np.count_nonzero(inside)} of {len(inside)} events lie in {where}, and "
                f"the figures need {math.ceil(needed)}; give more events, or looser selections"
            )
            raise InputError(msg)


def _refuse_tested_in_training(config: BenchmarkConfig, label: str) -> None:
    """Raise an InputError if two sources of a method share events of the test.

    Where a method is cross-fitted on the test background, the two are one source.
    """
    features = config.features_of(label)
    for one, other in combinations(sources_of(config, label), 2):
        if _KINDS[one] != _KINDS[other] or not {one, other} & {*_TESTED, _test_background(config)}:
            continue
        shared = _shared(load_source(config, one, features), load_source(config, other, features))
        if shared:
            msg = (
                f"{one} and {other} have {shared} events in common: a method would be tested with "
                "events that it has seen; give other files or rows"
            )
            raise InputError(msg)


def _shared(one: Sample, other: Sample) -> int:
    """Return the number of common events: simulations may have ids, but not masses in common."""
    ids, rows, other_rows = np.intersect1d(one.event, other.event, return_indices=True)
    same: NDArray[np.bool_] = one.mass[rows] == other.mass[other_rows]
    return int(np.count_nonzero(same)) if len(ids) else 0


def _source(config: BenchmarkConfig, name: str) -> SourceConfig:
    source = getattr(config, name)
    if source is None:
        msg = f"the key {name!r} is missing"
        raise ConfigError(msg)
    return source


def _test_background(config: BenchmarkConfig) -> str:
    return "extra_background" if config.test_background is None else "test_background"


def needs_of(method: BenchmarkMethod) -> tuple[str, ...]:
    """Return what a method needs with its hyperparameters: a combination, what its members do."""
    return make_method(method.name, **method.hyperparameters).needs
