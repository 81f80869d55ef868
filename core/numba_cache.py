"""Where compiled functions are kept on installations that nobody may write into."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

__all__ = ["find_numba_cache"]


def find_numba_cache() -> Path | None:
    """Give numba a temporary folder where it could write neither beside the code nor at home.

    Without one it refuses to compile what is to be cached, and nothing starts: a read-only container
    without a home folder. Processes that are started from here inherit the choice.

    Returns
    -------
    Path or None
        The folder; None where numba finds one by itself, or is told one by ``NUMBA_CACHE_DIR``.

    Raises
    ------
    FileNotFoundError
        If no temporary folder can be written either.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    numba = find_spec("numba")
    beside = [Path(__file__).parent]
    if numba is not None and numba.origin is not None:  # libraries cache beside their code, too
        beside.append(Path(numba.origin).parents[1])
    if all(os.access(folder, os.W_OK) for folder in beside) or _at_home():
        return None
    # one a user: what another has compiled is not to be run
    folder = Path(tempfile.gettempdir(), f"overdensity-numba-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        folder = Path(tempfile.mkdtemp(prefix="overdensity-numba-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = str(folder)  # it read the environment already
    return folder


def _at_home() -> bool:
    """Tell whether numba can write into the cache of the user."""
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        place = Path(cache, "numba")
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except (OSError, RuntimeError):  # there is no home, or it is read-only
        return False
    else:
        return True
