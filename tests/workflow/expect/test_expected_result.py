from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.stats.reach.reach_curve import EventsNeeded
from overdensity.workflow.expect.expected_result import ExpectedReach, events_with_band


@pytest.fixture
def found(expected: Path) -> ExpectedReach:
    return ExpectedReach.from_json(expected / "expected.json")


def test_printed_it_is_a_line_a_signal(found: ExpectedReach) -> None:
    lines = str(found).splitlines()
    assert sum("Z' 3.8" in line for line in lines) >= 1
    assert any(line.startswith("Gaussian") for line in lines)
    assert len(found.table().columns) == len(found.table().rows[0])


def test_numbers_of_events_have_their_band() -> None:
    needed = EventsNeeded(3.0, whole=False, asimov=90.0, events=(4.0, 6.54, 90.4, 120.0, None))
    assert events_with_band(needed, 200.0) == "90 (6.5-120)"
    assert events_with_band(replace(needed, events=(None,) * 5), 200.0) == "> 200"


def test_a_file_of_another_schema_is_refused(found: ExpectedReach) -> None:
    with pytest.raises(InputError, match="schema 9"):
        ExpectedReach.from_dict(found.to_dict() | {"schema": 9})
