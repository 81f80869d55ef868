from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from overdensity.core import ConfigError
from overdensity.workflow.commands import command_line

Call = Callable[..., tuple[int, str, str]]


def test_misspelt_key_is_one_sentence_and_exit_code_2(call: Call, search_file: Path) -> None:
    search_file.write_text(search_file.read_text().replace("selections:", "selectoins:"))
    code, out, err = call("run", search_file)
    assert code == 2
    assert out == ""
    assert err.strip().count("\n") == 0
    assert "unknown key 'selectoins': did you mean 'selections'?" in err
    assert not (search_file.parent / "run").exists()


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    with pytest.raises(ConfigError, match=r"none\.yaml: no such"):  # which Python shows
        command_line.main(["run", "none.yaml", "--debug"])


def test_the_version_is_that_of_the_installation(call: Call) -> None:
    assert call("--version") == (0, f"overdensity {version('overdensity')}\n", "")


@pytest.mark.parametrize("words", [("-h",), ("process", "-h"), ("methods", "-h")])
def test_a_short_option_shows_the_help(call: Call, words: tuple[str, ...]) -> None:
    code, out, _ = call(*words)
    assert code == 0
    assert out == call(*words[:-1], "--help")[1]


def test_a_misspelt_command_gets_the_nearest_name(call: Call) -> None:
    code, out, err = call("rnu", "search.yaml")
    assert (code, out) == (2, "")
    assert "No such command 'rnu'. Did you mean 'run'?" in err


def test_a_shell_completes_the_names_of_commands() -> None:
    asked = {
        "_OVERDENSITY_COMPLETE": "complete_bash",
        "COMP_WORDS": "overdensity ca",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("overdensity")],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["calibrate"]


def test_a_missing_extra_is_one_sentence_and_exit_code_2(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    code, out, err = call("simulate", tmp_path / "box.h5")
    assert (code, out) == (2, "")
    assert err == "error: simulation needs pythia8mc: pip install 'overdensity[simulation]'\n"


def test_log_lines_are_ours_and_warnings_of_dask() -> None:
    code = """
import logging
from overdensity.workflow.commands import command_line
command_line._set_up(quiet=True)
import distributed.config
logging.getLogger("distributed.scheduler").info("State start")
logging.getLogger("distributed.scheduler").warning("no worker is left")
logging.getLogger("overdensity.any").info("training: 3 folds")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = [line.partition(" ")[2] for line in done.stderr.strip().splitlines()]
    assert said == ["no worker is left", "training: 3 folds"]


def test_the_home_folder_stands_behind_an_option(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/none/there")
    for words in (["stream", "~/events", "--out=~/o"], ["stream", "/x", "--out=~/o"]):
        code, _, error = call(*words, "--features", "x")
        assert code == 2
        assert "~" not in error
