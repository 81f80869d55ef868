"""Ctrl-C before the command line is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time


def test_an_interrupt_while_it_is_read_is_one_sentence() -> None:
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may ignore it
    slow = "import builtins, time; was = builtins.__import__\n"
    slow += "def hook(name, *rest):\n"
    slow += "    if 'commands' in name: print('reading', flush=True); time.sleep(20)\n"
    slow += "    return was(name, *rest)\n"
    slow += "from overdensity.__main__ import start; builtins.__import__ = hook; start()"
    started = subprocess.Popen(
        [sys.executable, "-c", begin + slow],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "reading\n"
    time.sleep(0.05)
    os.kill(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert (started.returncode, said) == (130, "interrupted; nothing was begun\n")
