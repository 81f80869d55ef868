"""Settings that make no sense are refused with a clear sentence."""

from __future__ import annotations

import math

import pytest

from overdensity.core import InputError
from overdensity.simulation import DetectorSettings, GeneratorSettings, Selection, ZprimeMasses


def test_default_signal_is_the_one_of_the_lhc_olympics() -> None:
    assert ZprimeMasses() == ZprimeMasses(zprime=3500.0, x=500.0, y=100.0)


@pytest.mark.parametrize("masses", [(1000, 800, 300), (1000, 900, 100)])
def test_decay_products_heavier_than_the_zprime_are_refused(masses: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"cannot decay to X of .* choose x \+ y < zprime"):
        ZprimeMasses(*masses)


@pytest.mark.parametrize("mass", [0.0, -500.0, math.nan, math.inf])
def test_masses_that_are_no_positive_numbers_are_refused(mass: float) -> None:
    with pytest.raises(InputError, match=r"ZprimeMasses\.x must be a positive number, not"):
        ZprimeMasses(3500, mass, 100)


def test_masses_too_light_to_decay_to_all_flavours_are_refused() -> None:
    with pytest.raises(InputError, match="at least 20 GeV"):
        ZprimeMasses(3500, 500, 5)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (GeneratorSettings, "pt_hat_min"),
        (GeneratorSettings, "m_hat_max"),
        (DetectorSettings, "field"),
        (DetectorSettings, "resolution_scale"),
        (Selection, "jet_pt_min"),
    ],
)
def test_negative_settings_are_refused(settings: type, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be a positive number, not -1"):
        settings(**{name: -1.0})


def test_broad_resonances_are_refused() -> None:
    with pytest.raises(InputError, match=r"xy_width must be at most 0\.05, not 0\.2"):
        GeneratorSettings(xy_width=0.2)


def test_an_empty_range_of_hard_masses_is_refused() -> None:
    message = r"m_hat_min \(4800 GeV\) must be below m_hat_max \(2700 GeV\)"
    with pytest.raises(InputError, match=message):
        GeneratorSettings(m_hat_min=4800.0, m_hat_max=2700.0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("random:seed = 3", "would make all chunks alike"),
        ("# TimeShower:alphaSvalue = 0.1", "is no setting"),
        ('"TimeShower:alphaSvalue = 0.1"', "is no setting"),
        ("TimeShower:alphaSvalue", "is no setting"),
    ],
)
def test_lines_that_pythia_would_misread_are_refused(line: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        GeneratorSettings(pythia=(line,))
