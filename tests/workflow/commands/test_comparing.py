from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overdensity.workflow.benchmark import benchmarking
from overdensity.workflow.config import reading

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Let a benchmark be a table of one row, and take down which methods were asked for."""
    chosen: list[Any] = []

    def spread(median: float) -> SimpleNamespace:
        return SimpleNamespace(low=median - 1, median=median, high=median + 1, error=0.5)

    row = SimpleNamespace(
        method="cwola", n_signal=None, seeds=3, sic=(spread(4.0),), max_sic=spread(9.0),
        auc=spread(0.75), chi2_per_ndf=(spread(1.0),),
    )  # fmt: skip

    def run_benchmark(config: Any, *, only: tuple[str, ...]) -> SimpleNamespace:
        chosen.append(only)
        return SimpleNamespace(selections=(0.01,), rows=(row,))

    monkeypatch.setattr(
        reading,
        "load_benchmark",
        lambda *_, **__: SimpleNamespace(out=str(tmp_path / "out")),
    )
    monkeypatch.setattr(benchmarking, "run_benchmark", run_benchmark)
    return chosen


def test_a_row_has_medians_and_the_spread_of_the_maximum(call: Call, asked: list[Any]) -> None:
    (line,) = [line for line in call("benchmark", "b.yaml")[1].splitlines() if "cwola" in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["cwola", "labels", "3", "4.0 ± 0.5", "9.0 [8.0, 10.0]", "0.750", "1.0"]


def test_methods_are_chosen_with_commas_between_them(call: Call, asked: list[Any]) -> None:
    call("benchmark", "b.yaml", "--methods", "cwola, pca")
    call("benchmark", "b.yaml")
    assert asked == [("cwola", "pca"), ()]
