"""The core of the package, without what the extras bring."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from overdensity.core.extras import EXTRAS

from .conftest import write_search

BLOCKED = ("torch", "nflows", "onnx", "onnxruntime", "hepdata_lib", "pyBumpHunter", "pythia8mc")

BLOCK = f"""
import sys

class Blocker:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker)
"""


WITHOUT = {
    "limits": (
        (
            "from overdensity.core.extras import skipped_without_extra\n"
            "with skipped_without_extra('limits.hepdata'):\n"
            "    import overdensity.workflow.limits.hepdata"
        ),
        r"limits.hepdata is not written: it needs hepdata-lib: pip install",
    ),
    "a method": (
        "from overdensity.ml import make_method\nmake_method('cathode')",
        r"needs (torch|nflows): pip install 'overdensity\[networks\]'",
    ),
    "a bump hunt": (
        (
            "from overdensity.stats.bumphunt.pybumphunter import bumphunter\n"
            "bumphunter([1, 2, 3, 4], [9, 9, 9], [9, 9, 9], widths=(1, 1))"
        ),
        r"this bump hunt needs pyBumpHunter: pip install 'overdensity\[bumphunter\]'",
    ),
    "a simulation": (
        "from overdensity.simulation import simulate\nsimulate('none.h5', background=1, seed=1)",
        r"simulation needs pythia8mc: pip install 'overdensity\[simulation\]'",
    ),
}

ALONE = """
import contextlib, importlib, io, json, logging, pkgutil
import overdensity.stats
from overdensity.core import MissingExtraError

for module in pkgutil.walk_packages(overdensity.stats.__path__, "overdensity.stats."):
    importlib.import_module(module.name)
for name in overdensity.stats.__all__:
    getattr(overdensity.stats, name)
assert "coffea" not in sys.modules

said = {{}}
for name, (code, _) in {without!r}.items():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        logging.basicConfig(level="WARNING", stream=out, force=True)
        try:
            exec(code, {{}})
        except MissingExtraError as error:
            print(error)
    said[name] = out.getvalue()

from matplotlib.figure import Figure
from overdensity.workflow.commands import main

def savefig(figure, target, **options):
    getattr(target, "write", getattr(target, "write_bytes", None))(b"<svg/>")

Figure.savefig = savefig
try:
    main(["run", {search!r}])
except SystemExit as stopped:
    assert not stopped.code
print(json.dumps(said))
"""


def write_alone(folder: Path, box: Path) -> dict[str, str]:
    """Ask a process that has none of the extras, and starts in seconds, for all that is tested."""
    code = ALONE.format(without=WITHOUT, search=str(write_search(folder, box)))
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def alone(box: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of a search without extras, and what is said of each extra that is missing.

    Every module and public name of the statistics was there, without coffea.
    """
    folder = tmp_path_factory.mktemp("alone")
    return folder / "run", write_alone(folder, box)


def test_what_is_blocked_is_what_extras_bring() -> None:
    assert set(BLOCKED) <= set(EXTRAS)


def test_a_whole_search_needs_no_extra(
    alone: tuple[Path, dict[str, str]], finished_run: Path
) -> None:
    found, expected = (
        json.loads((folder / "results.json").read_text())["best"]
        for folder in (alone[0], finished_run)
    )
    assert found == expected


@pytest.mark.parametrize("name", WITHOUT)
def test_what_needs_an_extra_says_which(name: str, alone: tuple[Path, dict[str, str]]) -> None:
    assert re.search(WITHOUT[name][1], alone[1][name])
