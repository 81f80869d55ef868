from __future__ import annotations

from overdensity.core import ConfigError, InputError, OverdensityError, nearest_names


def test_nearest_names_suggests_a_close_name() -> None:
    assert nearest_names("selectoins", ["selections", "seed"]) == "did you mean 'selections'?"


def test_nearest_names_lists_all_names_when_none_is_close() -> None:
    assert nearest_names("xyz", ["seed", "mass"]) == "valid names are 'mass', 'seed'"


def test_every_error_is_caught_by_the_base_of_the_family() -> None:
    for error in (ConfigError, InputError):
        assert issubclass(error, OverdensityError)
