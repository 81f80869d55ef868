"""Which kind of file it is."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors import LAYOUTS, ParquetSource, RootSource
from overdensity.processors.sources.recognise import candidate_layouts, choose_layout

JETS = {f"Jet_{x}" for x in ("pt", "eta", "phi", "mass")}
NUMBERS = {"run", "luminosityBlock", "event"}


def test_auto_means_all_that_are_known() -> None:
    assert candidate_layouts("auto") == tuple(LAYOUTS.values())


def test_a_layout_of_ones_own_stands_for_itself() -> None:
    assert candidate_layouts(LAYOUTS["nano"]) == (LAYOUTS["nano"],)


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match="no layout 'delfes': did you mean 'delphes'"):
        RootSource("delfes")


def test_auto_may_be_misspelt() -> None:
    with pytest.raises(ConfigError, match="no layout 'atuo': did you mean 'auto'"):
        RootSource("atuo")


def test_of_those_that_fit_the_one_that_explains_most_is_taken() -> None:
    scouting = {f"ScoutingPFJet_{x}" for x in ("pt", "eta", "phi", "m")}
    common = {f"GenJet_{x}" for x in ("pt", "eta", "phi", "mass")} | NUMBERS
    trees = {"Events": common | scouting}
    assert choose_layout(candidate_layouts("auto"), trees, ["gen_jets"], "a")[0].name == "scouting"
    trees = {"Events": common | JETS}
    assert choose_layout(candidate_layouts("auto"), trees, ["gen_jets"], "a")[0].name == "nano"


def test_a_file_without_a_known_tree_says_which_are() -> None:
    with pytest.raises(InputError, match=r"a\.root: no jets: it has none of the trees .*Delphes"):
        choose_layout(candidate_layouts("auto"), {}, ["jets"], "a.root")


def test_a_file_without_particles_says_what_it_has(shared_data) -> None:
    with pytest.raises(
        InputError,
        match=r"nano_dy\.root: no particles in its tree Events, read as nano; it lacks PFCands_pt "
        r".*the collections it has are fat_jets, jets, leptons, gen_fat_jets, gen_jets"
        r"; jets are taken as stored with collection: fat_jets \(--collection fat_jets\)",
    ):
        RootSource().inspect(str(shared_data / "root" / "nano_dy.root"))


def test_settings_are_whole_layouts_so_that_a_change_of_one_is_noticed() -> None:
    assert RootSource("nano").settings() == {
        "format": "root",
        "layouts": [LAYOUTS["nano"].settings()],
    }
    assert ParquetSource().settings()["layouts"] == [LAYOUTS["flat"].settings()]


def test_a_description_becomes_a_layout() -> None:
    described = {"tree": "t", "collections": {"jets": {"pt": "a", "eta": "b", "phi": "c"}}}
    (layout,) = RootSource.configured([], {"layout": described}).candidates
    assert layout.trees == ("t",)
