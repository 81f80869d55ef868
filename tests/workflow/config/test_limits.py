"""What ``limits:`` may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from overdensity.workflow.config.limits import InjectionsConfig, LimitsConfig, SignalConfig


def test_signals_are_files_alone_or_with_what_is_known_of_them() -> None:
    limits = LimitsConfig.model_validate(
        {"signals": {"a": "a.parquet", "b": {"files": ["b.parquet"], "mass": 3500}}}
    )
    assert limits.signals["a"] == SignalConfig(files=("a.parquet",))
    assert limits.signals["b"].mass == 3500


def test_strengths_are_put_in_order() -> None:
    assert InjectionsConfig.model_validate({"strengths": [80, 20]}).strengths == (20, 80)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"injections": {"strengths": [10]}}, "injections need a signal"),
        ({"background": "b.parquet"}, "background is for injections"),
        ({"signals": {"a": "a"}, "injections": {"strengths": [5, 5]}}, "repeat one another"),
        ({"signals": {"a": []}}, "at least 1 item"),
        ({"signals": {"a": {"files": "a", "cross_section": 2}}}, "efficiency is not known"),
    ],
)
def test_what_does_not_go_together_is_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        LimitsConfig.model_validate(values)
