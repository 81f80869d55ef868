from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from overdensity.workflow import search_run as search
from overdensity.workflow.expect.expected_result import ExpectedReach
from overdensity.workflow.stages.provenance import Provenance

Call = Callable[..., tuple[int, str, str]]


def test_the_command_ends_with_the_table_and_what_it_rests_on(
    call: Call, search_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provenance = Provenance("", 1, {}, (), {}, "")
    found = ExpectedReach((), ("selections keep what is stated",), ("too few events",), provenance)
    monkeypatch.setattr(search, "expect_reach", lambda config: found)
    code, out, _ = call("expect", search_file)
    assert code == 0
    assert "flag: too few events" in out
    assert "- selections keep what is stated" in out
    assert "run/expected.json" in out.replace("\n", "")


def test_a_search_without_a_signal_is_refused(call: Call, search_file: Path) -> None:
    code, _, err = call("expect", search_file)
    assert code == 2
    assert "no signal whose reach could be expected: name simulated events" in err
    assert err.strip().count("\n") == 0
