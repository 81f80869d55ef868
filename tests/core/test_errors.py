from __future__ import annotations

import pickle

from overdensity.core import ConfigError, InputError, OverdensityError, nearest_names


def test_nearest_names_suggests_a_close_name() -> None:
    assert nearest_names("selectoins", ["selections", "seed"]) == "did you mean 'selections'?"


def test_nearest_names_does_not_mind_capitals() -> None:
    assert nearest_names("mJJ", ["mjj", "dmJ", "ht"]) == "did you mean 'mjj' or 'dmJ'?"


def test_nearest_names_lists_all_names_when_none_is_close() -> None:
    assert nearest_names("xyz", ["seed", "mass"]) == "valid names are 'mass', 'seed'"


def test_every_error_is_caught_by_the_base_of_the_family() -> None:
    for error in (ConfigError, InputError):
        assert issubclass(error, OverdensityError)


def test_a_remedy_can_be_told_from_the_problem_also_after_a_worker_sent_the_error() -> None:
    error = pickle.loads(pickle.dumps(InputError("a.json: no key", remedy="give one")))
    assert (error.problem, error.remedy) == ("a.json: no key", "give one")
    assert str(error) == "a.json: no key; give one"
    assert str(InputError("a.json: no key")) == InputError("a.json: no key").problem
