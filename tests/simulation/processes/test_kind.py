"""Kinds of processes: what each has to say, and how they are stored."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError, InputError
from overdensity.simulation import GeneratorSettings, GravitonGG, ProcessKind, Qcd
from overdensity.simulation.processes.kind import KINDS, narrow, refuse_too_light


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_kind_is_stored_and_read_by_its_name(name: str) -> None:
    kind = KINDS[name]()
    values = kind.to_dict()
    assert values["kind"] == name
    assert ProcessKind.from_dict(values) == kind


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_signal_says_its_mass_or_its_decay(name: str) -> None:
    kind = KINDS[name]()
    facts = kind.facts()
    masses = [daughter.mass for daughter in facts.daughters]
    assert masses == sorted(masses, reverse=True)
    if kind.signal and name != "pythia":
        assert facts.decay
        assert facts.daughters
        if facts.resonance_mass is not None:
            assert sum(masses) < facts.resonance_mass


def test_a_kind_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no kind of process 'qdc': did you mean 'qcd'"):
        ProcessKind.from_dict({"kind": "qdc"})
    with pytest.raises(InputError, match="GravitonGG has no field 'mas': did you mean 'mass'"):
        ProcessKind.from_dict({"kind": "graviton_gg", "mas": 3.0})
    with pytest.raises(ConfigError, match="kind 'qcd' is not a GravitonGG"):
        GravitonGG.from_dict({"kind": "qcd"})


def test_a_kind_is_shown_with_what_was_chosen() -> None:
    assert str(GravitonGG(mass=3000.0)) == "graviton_gg(mass=3000.0, width=0.01)"


def test_a_narrow_resonance_has_its_mass_width_and_window() -> None:
    lines = dict(line.split(" = ") for line in narrow(32, 3000.0, 0.01))
    assert lines["32:m0"] == "3000.0"
    assert float(lines["32:mWidth"]) == pytest.approx(30)
    assert float(lines["32:mMin"]) == pytest.approx(2700)


def test_daughters_that_are_too_heavy_are_refused() -> None:
    refuse_too_light("Z'", 500.0, ("t", 171.0), ("t", 171.0))
    with pytest.raises(InputError, match="a Z' of 300 GeV cannot decay to t of 171 GeV and t of"):
        refuse_too_light("Z'", 300.0, ("t", 171.0), ("t", 171.0))


def test_backgrounds_take_the_ranges_of_the_generator() -> None:
    lines = Qcd().lines(GeneratorSettings(pt_hat_min=500.0, m_hat_max=4000.0))
    assert "PhaseSpace:pTHatMin = 500.0" in lines
    assert "PhaseSpace:mHatMax = 4000.0" in lines
