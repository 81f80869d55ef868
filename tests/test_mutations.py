"""A sample of damaged inputs: no traceback, no hang, and no other number without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from overdensity.core.json_lines import read_lines

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow(seconds=45)
def test_damaged_inputs_are_read_or_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "benchmarks/mutations.py", "run", "--inputs", "120"]
    subprocess.run([*command, "--out", str(tmp_path), "--seed", "3"], cwd=ROOT, check=True)
    lines = read_lines(tmp_path / "mutations.jsonl")
    assert {line["kind"] for line in lines} == {
        "hdf5",
        "root",
        "events",
        "columns",
        "yaml",
        "artefacts",
    }
    assert {line["outcome"] for line in lines} == {"read", "refused"}, lines
