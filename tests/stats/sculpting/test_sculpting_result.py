"""Sculpting as it is written down: refusals and their sentences."""

from __future__ import annotations

import pytest

from overdensity.stats.sculpting.sculpting_result import (
    Sculpting,
    SelectionSculpting,
    WindowSculpting,
)


def row(*, refused: bool) -> SelectionSculpting:
    return SelectionSculpting(0.01, 40.0, 8.0, 2.0, refused, chi2=40.0, ndf=31, distance=0.1)


@pytest.fixture
def found() -> Sculpting:
    windows = tuple(
        WindowSculpting(low, low + 500, 0.1, 0.02, (0.0,), (0.1,), (row(refused=refused),))
        for low, refused in ((3000.0, True), (4000.0, False))
    )
    return Sculpting((3000.0, 4500.0), 0.9, 0.5, 2.5, 0.33, 1.0, windows)


def test_refusals_are_an_array_of_windows_and_selections(found):
    assert found.refused.tolist() == [[True], [False]]


def test_each_refusal_has_a_sentence_with_window_and_number(found):
    (sentence,) = found.sentences()
    assert sentence.startswith("window 3000-3500 GeV, efficiency 0.01")
    assert "fake 40 ± 8 events" in sentence


def test_the_record_survives_json(found, tmp_path):
    assert Sculpting.from_json(found.to_json(tmp_path / "found.json")) == found
