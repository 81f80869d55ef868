from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overdensity.workflow import search_run as search

Call = Callable[..., tuple[int, str, str]]


def printed(call: Call, search_file: Path, monkeypatch: pytest.MonkeyPatch, **found: Any) -> str:
    """What the command prints of some limits."""
    monkeypatch.setattr(
        search, "run_limits", lambda config: SimpleNamespace(level=0.95, flags=(), **found)
    )
    code, out, _ = call("limits", search_file)
    assert code == 0
    return out


def test_without_a_signal_model_limits_are_on_selected_events(
    call: Call, search_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = SimpleNamespace(efficiency=0.01, observed=12.34, expected=(5.0, 7.0, 9.87, 14.0, 19.0))
    flagged = SimpleNamespace(efficiency=0.1, observed=None, expected=())
    window = SimpleNamespace(low=3000.0, high=3500.0, selections=(row, flagged))
    out = printed(call, search_file, monkeypatch, signals=(), windows=(window,))
    assert "95 % CLs upper limits on selected signal events" in out
    assert [line.split() for line in out.splitlines() if "3000-3500" in line] == [
        ["│", "3000-3500", "│", "1", "%", "│", "12.3", "│", "9.87", "│"],
        ["│", "3000-3500", "│", "10", "%", "│", "-", "│", "-", "│"],
    ]


def test_a_limit_beyond_the_largest_injection_says_so(
    call: Call, search_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = SimpleNamespace(
        efficiency=0.01, observed=None, expected=(None,) * 5, cross_section_observed=None
    )
    signal = SimpleNamespace(
        name="wide [x]", fixed=None, injected=limit, points=(SimpleNamespace(strength=300.0),)
    )
    out = printed(call, search_file, monkeypatch, signals=(signal,), windows=())
    (line,) = [line for line in out.splitlines() if "wide [x]" in line]
    assert "repeated" in line
    assert "> 300" in line


def test_the_submission_is_named_where_there_is_one(
    call: Call, search_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"signals": (), "windows": ()}
    assert "for HEPData" not in printed(call, search_file, monkeypatch, **nothing)
    (search_file.parent / "run" / "limits.hepdata").mkdir(parents=True)
    assert "for HEPData" in printed(call, search_file, monkeypatch, **nothing)
