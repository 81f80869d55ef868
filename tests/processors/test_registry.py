"""Processors by name: ours, and one from outside that is one class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import awkward as ak
import hist
import numpy as np
import pytest

from overdensity.core import ConfigError, registry
from overdensity.core.registry import Registry
from overdensity.processors import LhcoSource, process
from overdensity.processors.base import ColumnProcessor
from overdensity.processors.final_states.single_jets import JetProcessor
from overdensity.processors.registry import PROCESSORS, make_processor, register_processor
from overdensity.processors.steps import Steps


@dataclass(frozen=True)
class Softest(ColumnProcessor):
    """The softest particle of each event."""

    least: float = 0.0

    axes: ClassVar[dict[str, Any]] = {"pt": hist.axis.Regular(10, 0, 10, name="pt")}
    collections: ClassVar[tuple[str, ...]] = ("particles",)

    def describe(self, events: Any, steps: Steps) -> tuple[dict[str, Any], np.ndarray]:
        pt = ak.to_numpy(ak.min(events.particles.pt, axis=1))
        steps.cut("hard enough", pt > self.least)
        return {"pt": pt[steps.kept]}, np.flatnonzero(steps.kept)


@pytest.fixture
def softest() -> Iterator[type[ColumnProcessor]]:
    """A processor that this test adds, and takes away again."""
    yield register_processor("softest")(Softest)
    PROCESSORS.remove("softest")


def test_our_processors_are_there() -> None:
    assert list(PROCESSORS) == ["dijet", "jets", "leptons", "multijet"]


def test_a_processor_from_outside_makes_columns(softest, lhco_file, tmp_path) -> None:
    processor = make_processor("softest", least=0.5)
    report = process(lhco_file, tmp_path / "out", source=LhcoSource(), processor=processor)
    assert list(report.cutflow) == ["events read", "finite particles", "hard enough"]
    assert list(report.hists) == ["pt"]


def test_the_decorator_gives_the_name(softest) -> None:
    assert Softest().settings() == {"processor": "softest", "least": 0.0}


def test_a_processor_of_an_installed_package_is_found(monkeypatch) -> None:
    found = Registry[type[ColumnProcessor]]("processor", package="", group="overdensity.processors")

    class Entry:
        name, value = "softest", "their_package:Softest"

        def load(self) -> type[ColumnProcessor]:
            found.add("softest", Softest)
            return Softest

    asked: list[str] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or [Entry()])
    assert found.find("softest") is Softest
    assert asked == ["overdensity.processors"]


def test_a_name_is_taken_once() -> None:
    class Other(JetProcessor):
        pass

    with pytest.raises(ConfigError, match="two processors are called 'jets'"):
        register_processor("jets")(Other)


def test_options_of_ones_own_are_checked(softest) -> None:
    with pytest.raises(ConfigError, match="has no option 'leest': did you mean 'least'"):
        make_processor("softest", leest=1)
    with pytest.raises(ConfigError, match="softest: least is 'low'; it must be a finite number"):
        make_processor("softest", least="low")
