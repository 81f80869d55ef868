"""Recipes with what a command says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import ConfigError
from overdensity.workflow.config.recipe import load_recipe, running_of

TEXT = """
preset: bb3
cluster: {kind: slurm, workers: 4}
composition: {qcd: 100, dijets: 2, trijets: 3}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(TEXT)
    return tmp_path / "mine.yaml"


def test_a_file_says_where_it_runs(path: Path) -> None:
    config = load_recipe(path)
    assert (config.cluster.kind, config.cluster.workers) == ("slurm", 4)
    assert (config.recipe.name, config.recipe.events) == ("mine", 105)
    assert config.out == Path("mine.h5")


def test_a_command_replaces_keys(path: Path) -> None:
    overrides = ["cluster=local", "workers=2", "processes.trijets.mass_r=1000", "seed=4"]
    config = load_recipe(path, overrides, out="a.root")
    assert (config.cluster.kind, config.workers, config.out) == ("local", 2, Path("a.root"))
    assert config.recipe.seed == 4
    assert [each.mass for each in config.recipe.facts[2].daughters] == [1000, 0.0]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("cluster=slurmm", "mine.yaml: .*cluster"),
        ("workers=0", "mine.yaml: workers must be at least 1"),
        ("composition.qcdd=3", "mine.yaml: composition: no process 'qcdd'"),
        ("compositions.qcd=3", "mine.yaml: unknown key 'compositions': did you mean"),
        ("seed", "--set takes key=value"),
    ],
)
def test_what_cannot_be_used_is_named(path: Path, override: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_recipe(path, [override])


def test_a_command_alone_says_where_it_runs() -> None:
    cluster, workers = running_of(["cluster=threads", "workers=3"])
    assert (cluster.kind, workers) == ("threads", 3)
