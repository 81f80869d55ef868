"""The core of the package, without what the extras bring."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from overdensity.core.extras import EXTRAS

BLOCKED = ("torch", "nflows", "hepdata_lib", "pyBumpHunter", "pythia8mc")

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


def test_limits_without_hepdata_leave_out_the_submission_and_say_so() -> None:
    code = """
import logging
logging.basicConfig(level="WARNING", stream=sys.stdout)
from overdensity.workflow.search_run import _write_submission
_write_submission(None, None)
"""
    said = run(code)
    assert "limits.hepdata is not written: it needs hepdata-lib: pip install" in said


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "from overdensity.ml import make_method\nmake_method('cathode')",
            r"needs (torch|nflows): pip install 'overdensity\[networks\]'",
        ),
        (
            (
                "from overdensity.stats.bumphunt.pybumphunter import bumphunter\n"
                "bumphunter([1, 2, 3, 4], [9, 9, 9], [9, 9, 9], widths=(1, 1))"
            ),
            r"this bump hunt needs pyBumpHunter: pip install 'overdensity\[bumphunter\]'",
        ),
        (
            "from overdensity.simulation import simulate\nsimulate('none.h5', background=1, seed=1)",
            r"simulation needs pythia8mc: pip install 'overdensity\[simulation\]'",
        ),
    ],
)
def test_what_needs_an_extra_says_which(code: str, sentence: str) -> None:
    inside = "\n    ".join(code.split("\n"))
    said = run(
        f"import re\nfrom overdensity.core import MissingExtraError\ntry:\n    {inside}\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    assert re.search(sentence, said)


def test_every_name_of_the_statistics_is_there_without_extras() -> None:
    run("import overdensity.stats as stats\nfor name in stats.__all__: getattr(stats, name)")
