"""Fixtures shared by the tests of the workflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from overdensity.workflow.commands import command_line


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
