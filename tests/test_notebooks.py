"""The notebooks run from top to bottom, in a kernel of their own but for the first one's fast test."""

from __future__ import annotations

import ast
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def execute(name: str) -> str:
    """Run a notebook; returns all text it printed."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": NOTEBOOKS}}).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return "\n".join(
        out.get("text", "") + out.get("data", {}).get("text/plain", "") for out in outputs
    )


def execute_here(name: str) -> str:
    """Run the cells of a notebook in this process, which has imported what it needs."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    names: dict[str, Any] = {}
    said = io.StringIO()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            *body, last = ast.parse(cell.source).body
            with redirect_stdout(said):
                exec(compile(ast.Module(body, []), name, "exec"), names)
                if isinstance(last, ast.Expr):  # which a notebook shows
                    shown = eval(compile(ast.Expression(last.value), name, "eval"), names)
                    said.write(f"{shown!r}\n")
                else:
                    exec(compile(ast.Module([last], []), name, "exec"), names)
    return said.getvalue()


def test_quickstart_runs_on_a_simulated_box(
    simulated_events: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import pyplot as plt

    monkeypatch.setenv("OVERDENSITY_EVENTS", str(simulated_events))
    monkeypatch.setenv("OVERDENSITY_RUN", str(finished_run))
    text = execute_here("01_quickstart.ipynb")
    plt.close("all")
    assert "'events read': 50" in text
    assert "mass 3" in text
    assert "signal strength" in text


@pytest.mark.slow(seconds=15)
def test_quickstart_opens_the_official_sample(
    shared_data: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = shared_data / "lhco" / "events_anomalydetection_tiny.h5"
    monkeypatch.setenv("OVERDENSITY_EVENTS", str(official))
    monkeypatch.setenv("OVERDENSITY_RUN", str(finished_run))
    assert "'events read': 1000" in execute("01_quickstart.ipynb")


@pytest.mark.slow(seconds=20)
def test_processors_run_on_real_files(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERDENSITY_ROOT_FILES", str(shared_data / "root"))
    assert "no jet feature 'tau_21': did you mean 'tau21'" in execute("02_processors.ipynb")


@pytest.mark.slow(seconds=15)
def test_processors_run_on_a_sample_that_the_notebook_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERDENSITY_ROOT_FILES", str(tmp_path / "none"))
    assert "no jet feature 'tau_21': did you mean 'tau21'" in execute("02_processors.ipynb")


@pytest.mark.slow(seconds=15)
def test_statistics_tells_a_signal_from_what_a_selection_made() -> None:
    text = execute("03_statistics.ipynb")
    assert "unprotected: 1" in text  # more than ten sigma, of nothing
    assert "refused; of the others the best has" in text
    assert "Gross and Vitells" in text


@pytest.mark.slow(seconds=60)
def test_methods_are_compared_and_one_searches() -> None:
    text = execute("04_methods.ipynb")
    assert "gis    SIC(1e-2)" in text
    assert "mass 3" in text
    assert "p_global <= " in text


@pytest.mark.slow(seconds=20)
def test_challenge_seals_boxes_and_finds_the_strong_signal() -> None:
    text = execute("05_challenge.ipynb")
    assert "the commitment is that of the key: True" in text
    assert "the key does not match suite/boxes/box" in text
    assert "There is an excess at" in text
    assert "log score: mean of ln P(what is true)" in text
