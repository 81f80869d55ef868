"""One of each kind that others can add, from outside the package: found by its name, and at work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import awkward as ak
import hist
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from overdensity.core import ConfigError
from overdensity.core.identity import content_ids_of_lists, integer_digest
from overdensity.core.registry import Registry
from overdensity.ml import (
    ClassifierHyper,
    ClassifierKind,
    Method,
    Sample,
    Window,
    check_method,
    performance,
    register_classifier,
    register_method,
)
from overdensity.ml.classifiers.kinds import CLASSIFIERS
from overdensity.ml.method import METHODS
from overdensity.ml.toy_events import toy_events
from overdensity.processors import PROCESSORS, SOURCES, Source, process, register_source
from overdensity.processors.base import ColumnProcessor
from overdensity.processors.jets.momentum import momenta
from overdensity.processors.registry import register_processor
from overdensity.processors.sources.chunks import PARTICLES, Chunk, FileSummary
from overdensity.processors.sources.source import read_events
from overdensity.processors.steps import Steps
from overdensity.stats import BackgroundFunction, fit, register_function
from overdensity.stats.spectra.functions import FUNCTIONS
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.stages.inputs.event_files import event_processor, event_source
from overdensity.workflow.stages.run import Run

ROOT = Path(__file__).resolve().parents[1]
WINDOW = Window(3500.0, 3200.0, 3800.0, 2800.0, 4400.0)


@contextmanager
def forgotten(registry: Registry[Any], name: str) -> Iterator[None]:
    """Take a name out of a registry again, so that no other test sees it."""
    try:
        yield
    finally:
        registry.remove(name)
        assert name not in registry


def search(files: str = "events.parquet", form: str = "auto", **keys: Any) -> Run:
    """Return the run of a configuration, as it is before any event is read."""
    return Run(parse_config({"events": {"files": files, "format": form}, **keys}))


@dataclass(frozen=True)
class BroadHyper:
    """One hyperparameter."""

    power: float = 2.0


class BroadJets(Method[BroadHyper]):
    """Scores events by how much broader their jets are than those of the sidebands."""

    source = "a test"
    needs = ("constituents",)
    Hyper = BroadHyper
    looks_for = "outliers"

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> BroadJets:
        self._names, self._blocks = data.names, tuple(data.blocks)
        beside = data.take(window.lower(data.mass) | window.upper(data.mass))
        self.mean = np.array([block.summaries()[:, 4].mean() for block in beside.blocks.values()])
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        self.refuse_unlike(data)
        widths = [data.blocks[name].summaries()[:, 4] for name in self._blocks]
        beyond = np.maximum(np.stack(widths, axis=1) - self.mean, 0)
        return (beyond**self.hyper.power).sum(axis=1).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        seen = {"names": self._names, "blocks": self._blocks}
        return {key: np.array(names, np.str_) for key, names in seen.items()} | {"mean": self.mean}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self.mean = arrays["mean"]


def test_a_method_on_constituents_finds_a_signal() -> None:
    register_method("broad")(BroadJets)
    with forgotten(METHODS, "broad"):
        method = search(features=["j1_constituents"], method={"name": "broad", "power": 1.5}).method
        events = toy_events(3000, 300, seed=1)
        score = method.fit(method.shown(events), WINDOW, seed=0).score(method.shown(events))
        assert method.hyper == BroadHyper(1.5)
        assert performance(score, events.label).auc > 0.8
        check_method("broad")


@dataclass(frozen=True)
class FisherHyper:
    """One hyperparameter."""

    ridge: float = 1e-3


@dataclass(frozen=True, eq=False)
class FittedFisher:
    """A linear discriminant as log-odds."""

    slope: NDArray[np.float64]
    offset: float

    def log_odds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return (x @ self.slope - self.offset).astype(np.float32)

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return 1 / (1 + np.exp(-self.log_odds(x)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"slope": self.slope, "offset": np.array(self.offset)}


class Fisher(ClassifierKind):
    """Fisher's linear discriminant."""

    Hyper = FisherHyper

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: ClassifierHyper,
        seed: int,
    ) -> FittedFisher:
        first, second = (np.average(x[side], axis=0, weights=weight[side]) for side in (y, ~y))
        spread = np.cov(x.T, aweights=weight)
        spread += hyper.settings.ridge * np.diag(np.diag(spread))
        slope = np.linalg.solve(spread, first - second)
        return FittedFisher(slope, float(slope @ (first + second) / 2))

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], *, hyper: ClassifierHyper
    ) -> FittedFisher:
        return FittedFisher(arrays["slope"], float(arrays["offset"]))


def test_a_kind_of_classifier_serves_a_method_that_has_one() -> None:
    register_classifier("fisher")(Fisher)
    with forgotten(CLASSIFIERS, "fisher"):
        classifier = {"kind": "fisher", "fisher": {"ridge": 0.01}}
        method = search(method={"name": "cwola", "classifier": classifier}).method
        events = toy_events(3000, 300, seed=1)
        score = method.fit(method.shown(events), WINDOW, seed=0).score(method.shown(events))
        assert method.hyper.classifier.settings == FisherHyper(0.01)
        assert performance(score, events.label).auc > 0.8


@dataclass(frozen=True)
class Hardest(ColumnProcessor):
    """The hardest particle of each event."""

    least: float = 0.0

    axes: ClassVar[dict[str, Any]] = {"pt": hist.axis.Regular(10, 0, 100, name="pt")}
    collections: ClassVar[tuple[str, ...]] = ("particles",)

    def describe(self, events: Any, steps: Steps) -> tuple[dict[str, Any], NDArray[np.int64]]:
        pt = ak.to_numpy(ak.max(events.particles.pt, axis=1))
        steps.cut("hard enough", pt > self.least)
        return {"pt": pt[steps.kept]}, np.flatnonzero(steps.kept)


def test_a_processor_makes_columns_of_event_files(tmp_path: Path) -> None:
    pt = [[40.0, 7.0], [5.0], [20.0, 30.0, 1.0]]
    zeros = [[0.0] * len(event) for event in pt]
    table = {"particles_pt": pt, "particles_eta": zeros, "particles_phi": zeros}
    files = str(tmp_path / "box.parquet")
    pq.write_table(pa.table(table), files)
    register_processor("hardest")(Hardest)
    with forgotten(PROCESSORS, "hardest"):
        config = search(files, "parquet", processor={"name": "hardest", "least": 10}).config
        source, processor = event_source(config.events), event_processor(config)
        assert source is not None
        report = process(files, tmp_path / "out", source=source, processor=processor)
        assert report.cutflow["hard enough"] == 2
        (columns,) = (tmp_path / "out").rglob("*.parquet")
        assert sorted(pq.read_table(columns)["pt"].to_pylist()) == [30.0, 40.0]


@dataclass(frozen=True)
class NumpySource(Source):
    """Arrays ``n`` (particles of each event) and ``values`` (their pt, eta, phi) in an npz file."""

    def inspect(self, path: Any, collections: Any = PARTICLES) -> FileSummary:
        with np.load(path) as stored:
            return FileSummary(str(path), len(stored["n"]), integer_digest(Path(path).read_bytes()))

    def read(self, chunk: Chunk, collections: Any = PARTICLES) -> ak.Array:
        with np.load(chunk.path) as stored:
            particles = momenta(*stored["values"].T, stored["n"])
            event = content_ids_of_lists(stored["n"], *stored["values"].T)
        events = ak.zip({"particles": particles, "event": event}, depth_limit=1)
        return events[chunk.start : chunk.stop]

    def settings(self) -> dict[str, Any]:
        return {"format": "numpy"}


def test_a_source_reads_files_that_are_told_by_their_suffix(tmp_path: Path) -> None:
    path = tmp_path / "box.npz"
    np.savez(path, n=[2, 1], values=[[40.0, 0, 0], [7.0, 1, 2], [5.0, -1, 3]])
    register_source("numpy", suffixes=(".npz",))(NumpySource)
    with forgotten(SOURCES, "numpy"):
        source = event_source(search(str(path)).config.events)
        assert source == NumpySource()
        assert read_events(source, path).particles.pt.to_list() == [[40.0, 7.0], [5.0]]


def test_a_background_function_is_fitted() -> None:
    def columns(mass: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.ones_like(mass), -np.log(mass)], axis=-1)

    register_function(BackgroundFunction("power_law", columns, 2))
    with forgotten(FUNCTIONS, "power_law"):
        run = search(fit={"function": "power_law"})
        counts = -1e5 * np.diff((run.fit_edges / run.fit_edges[0]) ** -6.0)
        fitted = fit(run.fit_edges, counts, function=run.fit_model.function)
        assert fitted.parameters[1] == pytest.approx(7.0, abs=1e-4)  # of the density


@pytest.mark.parametrize(
    "keys",
    [
        {"method": "broad"},
        {"method": {"name": "cwola", "classifier": {"kind": "fisher"}}},
        {"processor": "hardest"},
        {"events": {"files": "box.npz", "format": "numpy"}},
        {"fit": {"function": "power_law"}},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_what_is_forgotten_is_refused_by_its_name(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"'(broad|fisher|hardest|numpy|power_law)'"):
        _ = Run(parse_config({"events": {"files": "box.parquet"}, **keys})).method


def places() -> list[tuple[str, str]]:
    """Every path in CONTRIBUTING's table of places, with the test or name behind ``::``."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.split("## Where does it go?")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    return [
        (path, name)
        for row in rows
        for path, name in re.findall(r"`([\w.]+/[\w./]*)(?:::(\w+))?`", row)
    ]


def test_the_table_of_places_has_a_row_for_each_kind_of_thing() -> None:
    assert len({path for path, _ in places()}) >= 30


@pytest.mark.parametrize(("path", "name"), sorted(set(places())))
def test_what_the_table_of_places_names_is_there(path: str, name: str) -> None:
    place = ROOT / path
    assert place.is_dir() if path.endswith("/") else place.is_file()
    if name:
        tree = ast.parse(place.read_text(encoding="utf-8"))
        assert name in {getattr(node, "name", None) for node in ast.walk(tree)}
