"""Every key of the configuration says which stages it affects."""

from __future__ import annotations

from pydantic import BaseModel

from overdensity.workflow.config.dependencies import AFFECTS, STAGES, keys_of, value_of
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.config.search import SearchConfig


def keys_missing(model: type[BaseModel], table: set[str]) -> set[str]:
    """Keys of a configuration that no entry of a table names, neither whole nor by its parts."""
    missing = set()
    for name, field in model.model_fields.items():
        parts = {key.partition(".")[2] for key in table if key.startswith(f"{name}.")}
        if parts:
            section = field.annotation
            assert isinstance(section, type)
            assert issubclass(section, BaseModel)
            missing |= {f"{name}.{part}" for part in set(section.model_fields) - parts}
        elif name not in table:
            missing.add(name)
    return missing


def test_every_key_stands_in_the_table() -> None:
    assert keys_missing(SearchConfig, set(AFFECTS)) == set()


def test_a_new_key_without_an_entry_fails() -> None:
    class Longer(SearchConfig):
        luck: int = 7

    assert keys_missing(Longer, set(AFFECTS)) == {"luck"}
    assert keys_missing(SearchConfig, set(AFFECTS) - {"pseudo_datasets.number"}) == {
        "pseudo_datasets.number"
    }


def test_the_table_names_no_key_that_is_gone() -> None:
    config = parse_config({"events": {"files": ["box.parquet"]}})
    for key in AFFECTS:
        value_of(config, key)


def test_stages_of_the_table_are_known_and_named_once() -> None:
    for stages in AFFECTS.values():
        assert set(stages) <= set(STAGES)
        assert len(set(stages)) == len(stages)


def test_what_is_trained_affects_all_that_is_made_of_scores() -> None:
    training, selection = set(keys_of("scores")), set(keys_of("results"))
    assert training <= selection
    for stage in ("signal_scores", "injections", "pseudo_datasets", "combination"):
        assert training <= set(keys_of(stage))
