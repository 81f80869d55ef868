"""What the errors of file systems say."""

from __future__ import annotations

import pytest

from overdensity.core import InputError
from overdensity.core.files.file_errors import is_missing, reason

XROOTD = (
    "File stat request failed: [ERROR] Server responded with an error: [3011] Unable to\nlocate"
)


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (FileNotFoundError("a"), True),
        (OSError(XROOTD), True),
        (OSError("[3010] Unable to open; permission denied"), False),
        (ValueError("[3011]"), False),
    ],
)
def test_xrootd_says_in_words_that_a_file_is_missing(error, missing) -> None:
    assert is_missing(error) is missing


def test_a_reason_is_one_line() -> None:
    assert reason(OSError("first\nsecond\n")) == "first"
    assert reason(OSError("Failed to submit <bound method a> request: [FATAL] b")) == "[FATAL] b"
    assert reason(OSError("expected a chunk of 9,\nbut got 3")) == "expected a chunk of 9"
    assert reason(OSError()) == "OSError"
    assert reason(InputError("no column 'x'")) == "no column 'x'"
    assert reason(KeyError("Events")) == "KeyError: 'Events'"
