"""A disk that is full in the middle of a stage: a sample of benchmarks/interruptions.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from overdensity.core.json_lines import read_lines

STUDY = Path(__file__).resolve().parents[2] / "benchmarks" / "interruptions.py"


@pytest.mark.slow(seconds=20)
def test_a_full_disk_is_one_sentence_and_with_space_the_result_is_the_same(tmp_path: Path) -> None:
    words = [
        "disks",
        "--stages",
        "processing",
        "scoring",
        "--shares",
        "0.4",
        "--out",
        str(tmp_path),
    ]
    subprocess.run([sys.executable, "-P", STUDY, *words], check=True, capture_output=True)
    tried = [line for line in read_lines(tmp_path / "disks.jsonl") if line["code"] is not None]
    if not tried:
        pytest.skip("no file system may be mounted here")
    assert len(tried) == 2
    for line in tried:
        assert line["code"] == 2
        assert "pace" in line["sentence"]  # no space left, free some space
        assert line["sentence"].strip().count("\n") == 0
        assert (line["halves"], line["again"], line["same"]) == ([], 0, True)
