"""Fixtures shared by the tests of the workflow; most are not about figures, which are not drawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overdensity.simulation import simulate
from overdensity.workflow import load_config, run_search
from overdensity.workflow.commands import command_line

from ..conftest import made_once, nothing_drawn


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


@pytest.fixture(scope="session")
def suite_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 5000 background and 900 signal events, a file each."""
    from .challenge.conftest import write_two_jets

    def make(folder: Path) -> None:
        write_two_jets(folder / "background.parquet", background=5000, signal=0, seed=1)
        write_two_jets(folder / "signal.parquet", background=0, signal=900, seed=2)

    return made_once(tmp_path_factory, "suite-pool", make)


@pytest.fixture(scope="session")
def finished_suite(suite_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a suite of sealed boxes that is done; copy it to change it."""
    from overdensity.workflow.suite.suite_run import run_suite

    from .suite.conftest import suite_of, suite_values

    def make(folder: Path) -> None:
        run_suite(suite_of(suite_values(suite_pool, folder / "suite")))

    return made_once(tmp_path_factory, "suite", make) / "suite"


@pytest.fixture(scope="session", autouse=True)
def _drawing() -> Iterator[Callable[[pytest.MonkeyPatch], None]]:
    """Draw no figure, but keep at hand what would."""
    with nothing_drawn() as draw_in:
        yield draw_in


@pytest.fixture(autouse=True)
def _figures_are_drawn_where_a_test_is_about_them(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    _drawing: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """Draw in a test that is marked ``figures``; nothing is in a fixture of a module or session."""
    if request.node.get_closest_marker("figures") is not None:
        _drawing(monkeypatch)


@pytest.fixture(scope="session")
def few_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated box that is just large enough to train with, of real kinematics."""

    def make(folder: Path) -> None:
        simulate(folder / "box.h5", background=2500, signal=60, seed=2, workers=1)

    return made_once(tmp_path_factory, "few_events", make)
