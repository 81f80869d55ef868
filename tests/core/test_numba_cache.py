"""Compiled functions find a place where nobody may write beside the code or at home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from overdensity.core import numba_cache
from overdensity.core.numba_cache import find_numba_cache


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An installation that is read-only, without a home; the temporary folder can be written."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(numba_cache.os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(numba_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    return tmp_path


def test_nothing_is_done_where_numba_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert find_numba_cache() is None
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_choice_of_the_user_stays(monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(nowhere / "mine"))
    assert find_numba_cache() is None
    assert os.environ["NUMBA_CACHE_DIR"] == str(nowhere / "mine")


def test_home_comes_before_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, nowhere: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere / "home"))
    assert find_numba_cache() is None


def test_a_folder_of_another_user_is_not_taken(nowhere: Path) -> None:
    theirs = nowhere / f"overdensity-numba-{os.getuid()}"
    theirs.symlink_to(nowhere)
    found = find_numba_cache()
    assert found is not None
    assert found != theirs
    assert found.stat().st_mode & 0o077 == 0


def test_compiled_functions_run_from_a_read_only_installation(nowhere: Path) -> None:
    # numba asks the folders themselves, so that root may write everywhere: give it none that exists
    code = """
import numba.core.caching as caching
caching.InTreeCacheLocator.from_function = classmethod(lambda *_: None)
caching.InTreeCacheLocatorFsAgnostic.from_function = classmethod(lambda *_: None)
import os
os.access = lambda *_: False
import overdensity
from overdensity.stats.bumphunt import kernels
print(os.environ["NUMBA_CACHE_DIR"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(nowhere), "HOME": str(nowhere / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == nowhere
