from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.simulation import DaughterFacts, ProcessFacts
from overdensity.workflow.challenge.key import Key, Secret, commitment_of, read_key, write_secretly

X, R = DaughterFacts("X", 500.0, 2), DaughterFacts("R", 2217.0, 1)
GLUON = DaughterFacts("g", 0.0, 1)
QCD = ProcessFacts("qcd", signal=False, events=1000)


def key_of(*processes: ProcessFacts) -> Key:
    secret = Secret(2**127 + 5, "00" * 32)
    return Key("box", secret, {"name": "box"}, processes, 1000, (3, 7), "ab" * 32, {})


def test_any_change_of_a_key_changes_its_commitment() -> None:
    key = key_of(QCD)
    changed = [
        dataclasses.replace(key, signal_rows=(3, 8)),
        dataclasses.replace(key, secret=dataclasses.replace(key.secret, salt="00" * 31 + "01")),
        dataclasses.replace(key, secret=dataclasses.replace(key.secret, seed=2**127 + 6)),
        dataclasses.replace(key, processes=(dataclasses.replace(QCD, events=999),)),
    ]
    assert len({key.commitment, *(each.commitment for each in changed)}) == 5


def test_a_seed_beyond_64_bits_survives_the_file(tmp_path: Path) -> None:
    key = key_of(QCD)
    again = read_key(write_secretly(key, tmp_path / "key.json"))
    assert again == key
    assert again.commitment == key.commitment


def test_only_its_owner_can_read_a_key_and_no_key_is_written_over(tmp_path: Path) -> None:
    path = write_secretly(key_of(QCD), tmp_path / "key.json")
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        write_secretly(key_of(QCD), path)


def test_no_two_secrets_are_alike_and_they_are_long() -> None:
    drawn = [Secret.drawn() for _ in range(20)]
    assert len({each.seed for each in drawn}) == len({each.salt for each in drawn}) == 20
    assert max(each.seed for each in drawn).bit_length() > 120
    assert all(len(bytes.fromhex(each.salt)) * 8 >= 128 for each in drawn)


def test_the_truth_of_an_empty_box_is_that_there_is_nothing() -> None:
    no_events = ProcessFacts("signal", signal=True, events=0, resonance_mass=3500.0)
    truth = key_of(QCD, no_events).truth
    assert not truth.signal
    assert (truth.n_signal, truth.resonance_mass, truth.heavier) == (0, None, None)


def test_two_decays_of_a_resonance_are_one_signal() -> None:
    gluons = ProcessFacts("gg", True, 1200, 4200.0, (GLUON, GLUON), "KK graviton → g g")
    radion = ProcessFacts("rg", True, 2000, 4200.0, (R, GLUON), "KK graviton → R g, R → g g")
    truth = key_of(QCD, gluons, radion).truth
    assert (truth.n_signal, truth.resonance_mass) == (3200, 4200.0)
    assert (truth.heavier, truth.lighter) == (R, None)  # a gluon has no mass to be measured
    assert len(truth.decays) == 2


def test_heavier_and_lighter_are_told_by_mass() -> None:
    light = DaughterFacts("Y", 100.0, 3)
    truth = key_of(ProcessFacts("s", True, 5, 3500.0, (light, X), "Z' → X Y")).truth
    assert (truth.heavier, truth.lighter) == (X, light)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values.pop("secret"), "needs the field 'secret'"),
        (lambda values: values.update(schema=2), "schema 2"),
        (lambda values: values.update(signal_rows=3), "not iterable; give the key of a box"),
    ],
)
def test_what_is_no_key_is_refused(change: Callable[[dict], object], says: str, tmp_path) -> None:
    values = key_of(QCD).to_dict()
    change(values)
    path = tmp_path / "key.json"
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=says):
        read_key(path)


def test_the_spelling_of_the_json_does_not_matter() -> None:
    values = key_of(QCD).to_dict()
    shuffled = dict(reversed(list(json.loads(json.dumps(values, indent=7)).items())))
    assert commitment_of(shuffled) == commitment_of(values)
