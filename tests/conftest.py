"""Fixtures shared by the tests of all rooms."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import settings
from hypothesis.internal.conjecture import providers

from overdensity.core.progress_bar import set_quiet

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
LOW, HIGH = 3000.0, 5000.0

# The same few examples on every run, so that a change fails by what it changes and not by chance;
# `pytest --hypothesis-profile=more` looks for new ones.
settings.register_profile("same", max_examples=15, derandomize=True, deadline=None)
settings.register_profile("more", max_examples=1000, deadline=None)
settings.load_profile("same")
# Nor are they the same where constants of whatever modules a process has imported are among them.
providers._get_local_constants = providers.Constants


gc.disable()  # while everything is imported; a tenth of the collection


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was imported: it would look at millions of objects."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask every slow test how long it takes."""
    for item in items:
        marker = item.get_closest_marker("slow")
        if marker is not None and not marker.kwargs.get("seconds"):
            msg = f"{item.nodeid}: say how much CPU time it takes, as in slow(seconds=20)"
            raise pytest.UsageError(msg)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data that stands beside a checkout; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no reference data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def record_property(
    record_property: Callable[[str, object], None],
) -> Callable[[str, object], None]:
    """Record a figure as plain Python: a worker of pytest-xdist cannot send numpy's scalars."""

    def record(name: str, value: object) -> None:
        record_property(name, value.item() if isinstance(value, np.generic) else value)

    return record


@pytest.fixture(autouse=True)
def _as_imported() -> None:
    """Undo what a command run by an earlier test did to the log and the progress bars."""
    logging.getLogger("overdensity").setLevel(logging.NOTSET)
    set_quiet(quiet=False)


def make_box(path: Path, *, background: int, signal: int, seed: int) -> Path:
    """Write events with a falling mass spectrum and two features; signal sits at 3.8 TeV."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], [background, signal]).astype(np.int8)
    u = rng.uniform(size=background)
    power = -5.0  # dN/dm ~ m^-6 between the edges
    mass = (LOW**power + u * (HIGH**power - LOW**power)) ** (1 / power)
    mass = np.concatenate([mass, rng.normal(3800.0, 80.0, signal)])
    jet_mass = np.concatenate([rng.gamma(3.0, 60.0, background), rng.normal(500, 30, signal)])
    tau21 = np.concatenate([rng.beta(5, 4, background), rng.beta(3, 12, signal)])
    order = rng.permutation(background + signal)
    columns = {"mjj": mass, "j1_mass": jet_mass, "j1_tau21": tau21}
    table = {name: column[order].astype(np.float32) for name, column in columns.items()}
    pq.write_table(pa.table({**table, "label": label[order]}), path)
    return path


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6000 background events with 120 signal events among them."""

    def make(folder: Path) -> None:
        make_box(folder / "box.parquet", background=6000, signal=120, seed=1)

    return made_once(tmp_path_factory, "box", make) / "box.parquet"


def write_search(folder: Path, box: Path) -> Path:
    """Write a search of three windows in a box, on threads, into a folder."""
    values = {
        "events": {"format": "columns", "files": [str(box)]},
        "features": ["j1_mass", "j1_tau21"],
        "method": {"name": "cwola", "classifier": {"members": 1}},
        "scan": {"low": LOW, "high": HIGH, "bins": 9},
        "selections": [1, 0.1, 0.02],
        "folds": 3,
        "repeats": 1,
        "fit": {"function": "dijet3"},
        "pseudo_experiments": 500,
        "cluster": "threads",
        "out": str(folder / "run"),
    }
    path = folder / "search.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that is filled once a session, by the first worker of xdist to ask for it.

    Parameters
    ----------
    factory : pytest.TempPathFactory
        The fixture ``tmp_path_factory``.
    name : str
        Of the folder.
    make : callable
        Fills the folder that it is given.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the folder that the workers of this session share
    folder = base / f"once-{name}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.with_suffix(".done").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that did not finish it
            folder.mkdir()
            make(folder)
            folder.with_suffix(".done").touch()
    return folder


@contextmanager
def nothing_drawn() -> Iterator[Callable[[pytest.MonkeyPatch], None]]:
    """Save an empty picture for each figure, and plot nothing in those of processing and a search.

    Drawing is two thirds of a small search, and plotting a quarter of what is left. Yields what lets
    a test draw all the same.
    """
    from matplotlib.figure import Figure

    def savefig(figure: Figure, target: str | Path | IO[bytes], **options: Any) -> None:
        empty = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
        if isinstance(target, (str, Path)):
            Path(target).write_bytes(empty)
        else:
            target.write(empty)

    from overdensity.workflow import drawing
    from overdensity.workflow.report import report
    from overdensity.workflow.stages import search_figures
    from overdensity.workflow.stages.processing import control_plots

    plots = [
        (module, name, plot)
        for module, kind in (
            (report, "plot_"),
            (search_figures, "plot_"),
            (control_plots, "_figure"),
        )
        for name, plot in vars(module).items()
        if kind in name and name != "save_figure"
    ]
    ours, theirs = drawing._show_as_written, Figure.savefig

    def draw_in(patched: pytest.MonkeyPatch) -> None:
        patched.setattr(Figure, "savefig", theirs)
        patched.setattr(drawing, "_show_as_written", ours)
        for module, name, plot in plots:
            patched.setattr(module, name, plot)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Figure, "savefig", savefig)
        patched.setattr(drawing, "_show_as_written", lambda figure: None)  # makes all ticks
        for module, name, _ in plots:
            patched.setattr(module, name, lambda *_, **__: Figure())
        yield draw_in


@pytest.fixture
def search_file(box: Path, tmp_path: Path) -> Path:
    """A search of the box that has not begun."""
    return write_search(tmp_path, box)


@pytest.fixture(scope="session")
def finished_run(box: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search of the box; copy it before changing anything."""
    from overdensity.workflow import load_config, run_search

    def search(folder: Path) -> None:
        with nothing_drawn():
            run_search(load_config(write_search(folder, box)))

    return made_once(tmp_path_factory, "finished", search) / "run"


@pytest.fixture(scope="session")
def simulated_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An event file of 30 background and 20 signal events, as ``overdensity simulate`` writes it."""
    from overdensity.workflow.commands import command_line

    def simulate(folder: Path) -> None:
        out = str(folder / "box.h5")
        words = ["--background", "30", "--signal", "20", "--seed", "4", "--workers", "1", "--quiet"]
        with pytest.raises(SystemExit) as stopped:
            command_line.main(["simulate", out, *words])
        assert not stopped.value.code

    return made_once(tmp_path_factory, "simulated", simulate) / "box.h5"
