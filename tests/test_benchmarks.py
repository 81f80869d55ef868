"""The benchmarks can be imported, and understand every command that a document gives."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))
SHOWN = [ROOT / "Makefile", *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *SCRIPTS]
COMMAND = re.compile(r"-P (benchmarks/\w+\.py)((?: (?![ #])[^`\n;]*?)?)(?=`|\n|;|  | #|\Z)")


def commands() -> list[tuple[str, str]]:
    """Return the scripts that documents, docstrings and the Makefile call, with their words."""
    found = set()
    for path in SHOWN:
        text = path.read_text(encoding="utf-8").replace("$(DEMO)", "runs/quickstart")
        text = re.sub(r"`[^`\n]+\n[^`\n]+`", lambda span: span[0].replace("\n", " "), text)
        for script, words in COMMAND.findall(re.sub(r" *\\\n\s*", " ", text)):
            if not re.search(r"[\[…]|\bMETHOD\b|make$", words):  # a synopsis
                found.add((script, " ".join(words.split())))
    return sorted(found)


class Understood(BaseException):
    """The words of a command could be parsed."""


def parse(script: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a benchmark until it has read its arguments."""
    parse_args = argparse.ArgumentParser.parse_args

    def only_parse(parser: argparse.ArgumentParser, *given: Any) -> NoReturn:
        parse_args(parser, *given)
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    monkeypatch.setattr(sys, "argv", [str(script), *shlex.split(words)])
    with pytest.raises(Understood):
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize(("script", "words"), commands())
def test_a_command_is_understood(script: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse(ROOT / script, words, monkeypatch)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_benchmark_explains_itself(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(script), run_name="__main__")
    assert "usage:" in capsys.readouterr().out


def test_an_unknown_option_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(ROOT / "benchmarks" / "quiet.py", "cwola --window-s 3", monkeypatch)


@pytest.mark.slow(seconds=25)
def test_no_two_files_call_each_other_in_a_search() -> None:
    counted_in = runpy.run_path(str(ROOT / "benchmarks" / "calls.py"))["counted_in"]
    found = counted_in(ROOT)
    print(found["commit"], found["calls"], found["directions"])  # noqa: T201 - the row of the page
    assert found["calls"] > 10_000
    assert found["both"] == []
