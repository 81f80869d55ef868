"""Recipes as objects: what they hold, and what they refuse."""

from __future__ import annotations

import pytest

from overdensity.core import InputError
from overdensity.simulation import Process, Qcd, Recipe, Tops, ZprimeXY

RECIPE = Recipe(
    "box",
    (Process("qcd", Qcd(), 70), Process("tops", Tops(), 25), Process("signal", ZprimeXY(), 5)),
    seed=2**127 + 1,
)


def test_a_recipe_is_stored_and_read_with_a_seed_of_any_size() -> None:
    again = Recipe.from_dict(RECIPE.to_dict())
    assert again == RECIPE
    assert again.seed == 2**127 + 1


def test_facts_say_what_each_process_is() -> None:
    facts = {each.name: each for each in RECIPE.facts}
    assert [each.signal for each in RECIPE.facts] == [False, False, True]
    assert facts["signal"].resonance_mass == 3500.0
    assert [each.mass for each in facts["signal"].daughters] == [500.0, 100.0]
    assert facts["qcd"].events == 70


def test_a_background_can_be_taken_for_signal() -> None:
    assert Process("tops", Tops(), 1, signal=True).labelled == 1
    assert Process("tops", Tops(), 1).labelled == 0


@pytest.mark.parametrize("events", [1, 7, 50, 100, 1234])
def test_scaling_keeps_the_proportions_and_the_total(events: int) -> None:
    scaled = RECIPE.scaled(events)
    assert scaled.events == events
    for before, after in zip(RECIPE.processes, scaled.processes, strict=True):
        assert abs(after.events - before.events * events / 100) < 1


def test_other_numbers_of_events_are_of_processes_that_are_there() -> None:
    assert RECIPE.with_events({"qcd": 1}).events == 31
    with pytest.raises(InputError, match="box has no process 'qdc': did you mean 'qcd'"):
        RECIPE.with_events({"qdc": 1})


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Process("a b", Qcd(), 1), "process 'a b': a name is made of"),
        (lambda: Process("qcd", Qcd(), -1), "process qcd: events must be a whole number"),
        (lambda: Process("qcd", Qcd(), 1, pythia=("Random:seed = 3",)), "all chunks alike"),
        (lambda: RECIPE.with_events({"qcd": 0, "tops": 0, "signal": 0}), "nothing to simulate"),
        (lambda: Recipe("x", (Process("a", Qcd(), 1),) * 2), "two processes are called 'a'"),
        (lambda: Recipe("x", (Process("a", Qcd(), 1),), seed=-1), "seed must be a whole number"),
    ],
)
def test_impossible_recipes_are_refused(build, says: str) -> None:
    with pytest.raises(InputError, match=says):
        build()
