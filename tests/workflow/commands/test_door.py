"""Whatever is raised becomes one sentence; whose fault it is, is the exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.workflow.commands import command_line, door, main
from overdensity.workflow.commands.door import OURS, USERS, exit_code_and_sentence

Call = Callable[..., tuple[int, str, str]]


def raised(make: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        make()
    return caught.value


def of_a_cause(error: Exception) -> Exception:
    outer = RuntimeError("while writing")
    outer.__cause__ = error
    return outer


def while_handling(error: Exception) -> object:
    """Make a mistake of ours while another error is handled."""
    try:
        raise error
    except type(error):
        return {}["key"]


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/scores.parquet")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("a.root: no tree"), ["a.root: no tree"]),
        (FULL, ["runs/scores.parquet: no space left", "run again"]),
        (of_a_cause(FULL), ["runs/scores.parquet: no space left"]),
        (OSError("5000 requested and 4096 written"), ["no space left"]),
        (RuntimeError("[enforce fail at inline_container] PytorchStreamWriter failed writing file"),
         ["no space left"]),
        (RuntimeError("Can't decrement id ref count (errno = 28, error message = 'No space left on"
                      " device')"), ["no space left"]),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), ["no space left"]),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), ["/root/x: permission"]),
        (OSError(errno.EROFS, "Read-only file system", b"/x/y"), ["/x/y: ", "read-only"]),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), ["a/b: a file stands"]),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), ["a: a folder stands"]),
        (OSError(errno.ENAMETOOLONG, "File name too long", "aaa"), ["aaa: ", "shorter"]),
        (OSError(errno.EIO, "Input/output error", "bad.h5"), ["bad.h5: the disk reports"]),
        (OSError(errno.EMFILE, "Too many open files"), ["too many open files", "ulimit"]),
        (OSError("status check failed: [FATAL] Connection error"), ["server does not answer"]),
        (OSError(errno.EBUSY, "Device busy", "tape"), ["tape: Device busy"]),
        (ValueError("embedded null byte"), ["a zero byte"]),
        (UnicodeEncodeError("ascii", "r\u2713", 1, 2, "no"), ["'\\u2713'", "ascii", "LC_ALL"]),
        (OSError(errno.EISDIR, "Is a directory", ".x.tmp", None, "x"), ["x: a folder stands"]),
        (MemoryError("Unable to allocate 3 TiB"), ["not enough memory", "3 TiB", "fewer workers"]),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), ["not enough memory", "CUDA"]),
        (ConnectionRefusedError(111, "Connection refused"), ["a server does not answer"]),
        (ImportError("please pip install 'adlfs'"), ["pip install adlfs"]),
        (ImportError("Install s3fs to access S3"), ["s3fs is needed", "pip install s3fs"]),
        (ModuleNotFoundError("No module named 'adlfs'", name="adlfs"), ["pip install adlfs"]),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_says_how(error: Exception, words: list[str]) -> None:
    code, sentence = exit_code_and_sentence(error)
    assert code == USERS
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_a_scheduler_that_is_gone_is_said_to_be() -> None:
    core = pytest.importorskip("distributed.comm.core")
    code, sentence = exit_code_and_sentence(core.CommClosedError("in <TCP local=tcp://127.0.0.1>"))
    assert code == USERS
    assert "the cluster does not answer any more" in sentence


def test_a_worker_that_died_is_said_to_be() -> None:
    from concurrent.futures.process import BrokenProcessPool

    code, sentence = exit_code_and_sentence(BrokenProcessPool("terminated abruptly"))
    assert (code, "fewer workers" in sentence) == (USERS, True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros(3)[7],
        lambda: {}["key"],
        [].pop,
        lambda: np.zeros(2) @ np.zeros(3),
        lambda: (_ for _ in ()).throw(AssertionError),
        lambda: (_ for _ in ()).throw(ImportError("cannot import name 'x' from 'overdensity'")),
        lambda: (_ for _ in ()).throw(
            ImportError("Please either conda or pip install as follows: x")
        ),
        lambda: while_handling(FileNotFoundError(2, "No such file", "a.root")),
    ],
)
def test_our_own_fault_is_one_sentence_and_leaves_a_log(
    make: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door.tempfile, "tempdir", str(tmp_path))
    error = raised(make)
    code, sentence = exit_code_and_sentence(error)
    assert code == OURS
    assert "\n" not in sentence
    assert sentence.startswith(type(error).__name__)
    (log,) = tmp_path.iterdir()
    assert str(log) in sentence
    assert "Traceback" in log.read_text()


def test_without_a_place_for_the_log_debug_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door.tempfile, "tempdir", str(tmp_path / "none"))
    assert "--debug" in exit_code_and_sentence(ValueError("x"))[1]


def test_no_command_ends_in_a_traceback(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*_: object, **__: object) -> None:
        msg = "list index out of range"
        raise IndexError(msg)

    monkeypatch.setattr("overdensity.workflow.config.reading.load_config", failing)
    monkeypatch.setattr("overdensity.workflow.regions.region_config.load_any_search", failing)
    monkeypatch.setattr(door.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "search.yaml").write_text("events: box.h5\n")
    for command in ("run", "hunt", "score", "calibrate", "limits", "process", "expect"):
        code, out, err = call(command, tmp_path / "search.yaml")
        assert (code, out) == (OURS, ""), command
        assert err.startswith("error: IndexError: list index out of range; this is a fault")
        assert err.count("\n") == 1


def test_ctrl_c_is_one_sentence(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("overdensity.workflow.regions.region_config.load_any_search", interrupted)
    (tmp_path / "x.yaml").write_text("events: box.h5\n")
    assert call("run", tmp_path / "x.yaml") == (
        130,
        "",
        "interrupted; run again to go on from here\n",
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_without_unicode_shows_the_rest(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding=encoding))
    with pytest.raises(SystemExit) as end:
        main(["methods"])
    sys.stdout.flush()
    assert not end.value.code
    assert "cwola" in shown.getvalue().decode(encoding)


def test_a_closed_pipe_ends_without_a_word() -> None:
    listing = subprocess.Popen(
        [sys.executable, "-m", "overdensity", "features"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert isinstance(listing.stdout, io.BufferedReader)
    listing.stdout.close()
    _, said = listing.communicate(timeout=60)
    assert b"Traceback" not in said
    assert listing.returncode in (0, 1, -signal.SIGPIPE)


def test_a_batch_system_that_asks_to_stop_leaves_nothing_locked(tmp_path: Path) -> None:
    code = """
import sys, time
from overdensity.core.files.locks import locked
from overdensity.workflow.commands import command_line

def waiting(*_, **__):
    with locked(sys.argv[1], what="run"):
        print("inside", flush=True)
        time.sleep(60)

command_line.app = waiting
command_line.main(["run", "x.yaml"])
"""
    lock = tmp_path / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"inside\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert said == b"stopped; run again to go on from here\n"
    assert not lock.exists()
