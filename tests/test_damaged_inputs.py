"""Damaged files and configurations: a sample of benchmarks/mutations.py."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from overdensity.core.json_lines import read_lines

STUDY = Path(__file__).resolve().parents[1] / "benchmarks" / "mutations.py"
KINDS = ("hdf5", "root", "events", "columns", "yaml")


@pytest.mark.slow(seconds=25)
def test_damaged_inputs_end_in_no_traceback_and_no_hang(tmp_path: Path) -> None:
    words = ["run", "--inputs", "95", "--seed", "7", "--kinds", *KINDS, "--out", str(tmp_path)]
    subprocess.run([sys.executable, "-P", STUDY, *words], check=True, capture_output=True)
    lines = read_lines(tmp_path / "mutations.jsonl")
    assert len(lines) == 95
    assert set(Counter(line["outcome"] for line in lines)) <= {"read", "refused"}, lines
