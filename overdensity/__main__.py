"""``python -m overdensity`` is the command ``overdensity``."""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["start"]

_INTERRUPTED = 130


def start() -> None:
    """Run the command line; Ctrl-C while it is still being read ends it without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, _leave)
    from overdensity.workflow.commands import main  # noqa: PLC0415 - a second or more

    signal.signal(signal.SIGINT, before)
    main()


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(2, b"interrupted; nothing was begun\n")
    os._exit(_INTERRUPTED)  # an exception would meet whatever is being imported


if __name__ == "__main__":
    start()
