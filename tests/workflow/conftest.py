"""Fixtures shared by the tests of the workflow; most are not about figures, which are not drawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from matplotlib.figure import Figure

from overdensity.workflow import load_config, run_search
from overdensity.workflow.commands import command_line

from ..conftest import made_once


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; returns exit code, stdout and stderr."""
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            command_line.main([str(word) for word in words])
        code = stopped.value.code
        assert isinstance(code, int) or code is None
        return code or 0, *capfd.readouterr()

    return run


@pytest.fixture(scope="session")
def repeated_run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the finished search with three partitions into folds; copy it to change it."""

    def search(folder: Path) -> None:
        shutil.copytree(finished_run, folder / "run")
        run_search(
            load_config(folder / "run" / "config.yaml", ["repeats=3"], out=str(folder / "run"))
        )

    return made_once(tmp_path_factory, "repeated", search) / "run"


@pytest.fixture(autouse=True)
def _figures_are_not_drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save an empty picture for each figure, unless the test is marked ``figures``.

    Drawing is two thirds of a small search. What fixtures of a module or the session make, such
    as ``finished_run``, is drawn.
    """
    if request.node.get_closest_marker("figures") is not None:
        return

    def savefig(figure: Figure, target: str | Path | IO[bytes], **options: Any) -> None:
        empty = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
        if isinstance(target, (str, Path)):
            Path(target).write_bytes(empty)
        else:
            target.write(empty)

    monkeypatch.setattr(Figure, "savefig", savefig)
