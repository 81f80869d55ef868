"""The core of the package, without what the extras bring."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from overdensity.core.extras import EXTRAS

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


def run(code: str) -> str:
    """Run code in a process that has none of the extras; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_blocked_is_what_extras_bring() -> None:
    assert set(BLOCKED) <= set(EXTRAS)


def test_a_whole_search_needs_no_extra(search_file: Path, finished_run: Path) -> None:
    run(f"from overdensity.workflow.commands import main\ntry:\n    main(['run', {str(search_file)!r}])"
        "\nexcept SystemExit as stopped:\n    assert not stopped.code")  # fmt: skip
    found, expected = (
        json.loads((folder / "results.json").read_text())["best"]
        for folder in (search_file.parent / "run", finished_run)
    )
    assert found == expected


WITHOUT = {
    "limits": (
        "from overdensity.workflow.search_run import _write_submission\n_write_submission(None, None)",
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


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What is said of each extra that is missing, by one process, which starts in seconds."""
    code = f"""
import contextlib, io, json, logging
from overdensity.core import MissingExtraError
said = {{}}
for name, (code, _) in {WITHOUT!r}.items():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        logging.basicConfig(level="WARNING", stream=out, force=True)
        try:
            exec(code, {{}})
        except MissingExtraError as error:
            print(error)
    said[name] = out.getvalue()
print(json.dumps(said))
"""
    return json.loads(run(code).splitlines()[-1])


@pytest.mark.parametrize("name", WITHOUT)
def test_what_needs_an_extra_says_which(name: str, said: dict[str, str]) -> None:
    assert re.search(WITHOUT[name][1], said[name])


def test_every_name_of_the_statistics_is_there_without_extras() -> None:
    run("import overdensity.stats as stats\nfor name in stats.__all__: getattr(stats, name)")
