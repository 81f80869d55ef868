"""Recipes from YAML, and the presets: each of them is generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

from overdensity.core import ConfigError
from overdensity.simulation import (
    GeneratorSettings,
    presets,
    read_recipe,
    recipe_of,
    simulate_recipe,
)
from overdensity.simulation.recipes.reading import pythia_lines
from overdensity.simulation.truth import partons_of

from ..conftest import hard_process, resonance_and_daughters

QCD = {"processes": {"qcd": {"kind": "qcd"}}, "composition": {"qcd": 5}}
TWO = {
    "processes": {"a": {"kind": "zprime_xy"}, "b": {"kind": "graviton_gg"}},
}


def test_settings_of_table_1_are_those_of_the_paper() -> None:
    # arXiv:2101.08320, Table 1: tune, parton density, and the time-like coupling
    first = {"bb1": ("3", "12", "0.118"), "bb3": ("10", "5", "0.16")}
    for name, expected in first.items():
        lines = dict(line.split(" = ") for line in read_recipe(name).generator.pythia)
        assert len(lines) == 10
        names = ("Tune:pp", "PDF:pSet", "TimeShower:alphaSvalue")
        assert tuple(lines[key] for key in names) == expected
    assert read_recipe("rnd").generator == GeneratorSettings()


def test_boxes_have_the_numbers_of_the_paper() -> None:
    signals = {
        name: {each.name: each.events for each in read_recipe(name).facts if each.signal}
        for name in ("bb1", "bb2", "bb3")
    }
    assert signals == {"bb1": {"signal": 834}, "bb2": {}, "bb3": {"dijets": 1200, "trijets": 2000}}
    assert {read_recipe(name).events for name in signals} == {1_000_000}


def test_a_file_begins_from_a_preset_and_replaces_keys(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    values = {
        "preset": "bb1",
        "seed": 7,
        "composition": {"signal": 417, "qcd": 249_583},
        "processes": {"signal": {"masses": {"x": 300}}},
        "generator": {"pythia": {"Tune:pp": 14}},
    }
    path.write_text(yaml.safe_dump(values))
    recipe, base = read_recipe(path), read_recipe("bb1")
    assert (recipe.name, recipe.seed, recipe.events) == ("mine", 7, 250_000)
    assert [each.mass for each in recipe.facts[1].daughters] == [378, 300]
    assert recipe.generator.pythia[0] == "Tune:pp = 14"
    assert recipe.generator.pythia[1:] == base.generator.pythia[1:]
    assert recipe.detector == base.detector


def test_a_file_begins_from_a_file_that_begins_from_a_preset(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.yaml", tmp_path / "outer.yaml"
    inner.write_text(yaml.safe_dump({"preset": "bb1", "generator": {"pythia": {"Tune:pp": 14}}}))
    outer.write_text(yaml.safe_dump({"preset": str(inner), "seed": 7}))
    found, within = read_recipe(outer), read_recipe(inner)
    assert (found.seed, found.generator, found.processes) == (7, within.generator, within.processes)
    inner.write_text(yaml.safe_dump({"preset": str(outer)}))
    with pytest.raises(ConfigError, match=r"outer\.yaml begins from itself; name another recipe"):
        read_recipe(inner)


def test_a_process_of_another_kind_replaces_that_of_the_preset() -> None:
    values = {"preset": "bb1", "processes": {"signal": {"kind": "graviton_gg", "mass": 3000}}}
    assert recipe_of(values, origin="x.yaml").facts[1].decay == "G → g g"


def test_keys_of_the_caller_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump({**QCD, "challenge": {"key": 1}}))
    assert read_recipe(path, beside=("challenge",)).events == 5
    with pytest.raises(ConfigError, match=r"a\.yaml: unknown key 'challenge'"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({**QCD, "sed": 3}, "unknown key 'sed': did you mean 'seed'"),
        ({"composition": {"qcd": 5}}, "the key 'processes' is missing"),
        (TWO, r"composition says nothing of a and b: .* composition: \{a: 1000, b: 1000\}"),
        ({**TWO, "composition": {"a": 5}}, "composition says nothing of b"),
        ({**QCD, "composition": {"qcd": 5, "qdc": 1}}, "no process 'qdc': did you mean 'qcd'"),
        ({**QCD, "composition": {"qcd": 0}}, "nothing to simulate"),
        ({**QCD, "composition": {"qcd": "many"}}, "events must be a whole number"),
        ({**QCD, "processes": {"qcd": {}}}, "processes.qcd: the key 'kind' is missing"),
        ({**QCD, "processes": {"qcd": {"kind": "qcdd"}}}, "no kind of process 'qcdd'"),
        ({**QCD, "processes": {"qcd": {"kind": "qcd", "signal": 2}}}, "true or false, not 2"),
        ({**QCD, "processes": {"qcd": {"kind": "qcd", "mass": 2}}}, "has no field 'mass'"),
        ({**QCD, "generator": {"pythia": 3}}, "pythia must be settings by name"),
        ({**QCD, "generator": {"pt_hat": 3}}, "no field 'pt_hat': did you mean 'pt_hat_min'"),
        ({**QCD, "detector": {"field": "strong"}}, "field must be a positive number"),
        ({**QCD, "selection": [1]}, "selection must be a section with keys of its own"),
        ({**QCD, "seed": "one"}, "seed must be a whole number from 0 up, not 'one'"),
        ({**QCD, "preset": "bb9"}, "no preset 'bb9', .*; presets are bb1, bb2, bb3"),
        ({"preset": "bb1", "processes": {"signal": {"masses": {"x": 4000}}}}, "choose x \\+ y"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file(values: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^box.yaml: .*{says}"):
        recipe_of(values, origin="box.yaml")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such recipe"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match=r"list\.yaml: expected keys such as 'processes:'"):
        read_recipe(tmp_path / "list.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML"):
        read_recipe(tmp_path / "bad.yaml")
    with pytest.raises(ConfigError, match="presets are bb1, bb2, bb3"):
        read_recipe("zzz")


def test_settings_of_pythia_are_given_by_name_or_as_lines() -> None:
    assert pythia_lines({"HardQCD:all": True, "Tune:pp": 3}) == (
        "HardQCD:all = on",
        "Tune:pp = 3",
    )
    assert pythia_lines(["Tune:pp = 3"]) == ("Tune:pp = 3",)
    assert pythia_lines(None) == ()


@pytest.mark.parametrize("name", sorted(presets()))
def test_signals_of_a_preset_have_the_masses_and_prongs_of_its_facts(name: str) -> None:
    pytest.importorskip("pythia8mc")
    recipe = read_recipe(name)
    for process in recipe.processes:
        facts = process.facts
        if facts.resonance_mass is None:
            continue
        prt = hard_process(process.kind, 20, process.pythia)
        mass, daughters = resonance_and_daughters(prt)
        assert np.median(mass) == pytest.approx(facts.resonance_mass, rel=0.02)
        expected = [each.mass for each in facts.daughters]
        np.testing.assert_allclose(np.median(daughters, axis=0), expected, rtol=0.06, atol=5)
        partons = sum(each.prongs for each in facts.daughters)
        assert np.bincount(partons_of(prt).event).tolist() == [partons] * 20


@pytest.mark.slow(seconds=3)  # each of the presets
@pytest.mark.parametrize("name", sorted(presets()))
def test_a_preset_is_simulated_whole(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc")
    recipe = read_recipe(name)
    few = recipe.with_events(dict.fromkeys((each.name for each in recipe.processes), 20))
    report = simulate_recipe(few, tmp_path / "box.root", workers=1)
    assert {each.written for each in report.processes.values()} == {20}
    with uproot.open(tmp_path / "box.root") as file:
        events = file["events"].arrays()  # pyright: ignore[reportAttributeAccessIssue]
    for place, process in enumerate(few.processes):
        its = events[events.process == place]
        assert len(its) == 20
        assert set(np.asarray(its.label)) == {process.labelled}
        if few.selection.matched and process.kind.jet:
            assert set(np.asarray(its.jet_origin[:, 0])) == {process.kind.jet}
        if process.facts.resonance_mass and name != "bb3":  # jets hold what the resonance makes
            most = max(each.prongs for each in process.facts.daughters)
            assert (np.asarray(its.jet_prongs).max(axis=1) == most).mean() > 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["box.root"]
