from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from overdensity.core import ConfigError
from overdensity.workflow.suite.suite_config import load_suite

from .conftest import suite_of

BOX = Path("box07.parquet")


def test_a_list_of_names_will_do_for_methods(values: dict[str, Any]) -> None:
    config = suite_of(values, "methods=[cwola, pca]")
    assert [each.name for each in config.methods.values()] == ["cwola", "pca"]
    assert config.search_of("pca", BOX, 7).method.name == "pca"


def test_searches_differ_in_their_boxes_seeds_and_features_alone(values: dict[str, Any]) -> None:
    config = suite_of(values, "methods={a: {name: cwola}, b: {name: cwola, features: [j1_mass]}}")
    one, other, third = (
        config.search_of("a", BOX, 7),
        config.search_of("a", BOX, 8),
        config.search_of("b", BOX, 7),
    )
    assert one.seed != other.seed
    assert one.model_copy(update={"seed": other.seed}) == other
    assert (one.features, third.features) == (("j1_mass", "j2_mass"), ("j1_mass",))
    assert one.repeats == 1
    assert str(one.out).endswith("suite/searches/a/box07")


@pytest.mark.parametrize(
    ("names", "energies"),
    [
        ([], ["mjj", "j1_mass", "j2_pt", "ht", "mjjj", "dmJ", "j1_softdrop_mass"]),
        (["j1_mass"], ["mjj", "j1_mass"]),
    ],
)
def test_energies_are_told_by_their_names(
    names: list[str], energies: list[str], values: dict[str, Any]
) -> None:
    boxes = suite_of(values, f"boxes.energies={names}").boxes
    others = ("j1_tau21", "j1_n", "n_jets", "j1_eta", "j1_pth")
    of_all = (
        *dict.fromkeys(("mjj", "j1_mass", "j2_pt", "ht", "mjjj", "dmJ", "j1_softdrop_mass")),
        *others,
    )
    assert [name for name in of_all if boxes.is_energy(name, "mjj")] == energies


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("boxes.strengths=[]", "suite.yaml: boxes.strengths must be a list of 1 or more"),
        ("boxes.strengths=[0]", "greater than 0"),
        ("boxes.masses=[4000, 3000]", "boxes.masses: masses are the lowest and the highest one"),
        ("boxes.numbr=3", "did you mean 'number'?"),
        ("pool.signals={}", "pool.signals"),
        (
            "pool.signals.qcd={files: a.parquet, resonance_mass: 3500}",
            "are called 'qcd'; rename one",
        ),
        ("pool.signals.xy.resonance_mass=0", "greater than 0"),
        ("search.out=runs/else", "search: 'out' is not for a search to say, but for the suite"),
        ("out=s3://bucket/suite", "out: the folder of the result must be on a file system"),
        ("methods={a b: {name: cwola}, a_b: {name: pca}}", "'a b' and 'a_b' would have the same f"),
        ("level=1", "level must be less than 1"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    override: str, says: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as refused:
        suite_of(values, override)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_hides_a_signal_is_refused(values: dict[str, Any]) -> None:
    config = suite_of(values, "search.fit.spurious=data")
    with pytest.raises(ConfigError, match=r"set fit.spurious: none"):
        config.search_of("cwola", BOX, 1)


def test_a_suite_is_read_from_its_file(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "try.yaml"
    path.write_text(yaml.safe_dump({"pool": values["pool"]}))
    config = load_suite(path, ["boxes.number=4"])
    assert (config.boxes.number, config.out, list(config.methods)) == (4, "runs/try", ["cwola"])
    with pytest.raises(ConfigError, match=r"none.yaml: no such configuration file"):
        load_suite(tmp_path / "none.yaml")
