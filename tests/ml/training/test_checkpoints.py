"""Where a training stands: what tells it from others, and what is read back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from overdensity.core import InputError
from overdensity.ml.training import checkpoints
from overdensity.ml.training.checkpoints import (
    Progress,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
    write_tensors,
)
from overdensity.ml.training.training_hyper import TrainingHyper

HYPER = TrainingHyper()
X = np.arange(12.0, dtype=np.float32).reshape(6, 2)


def network(start: float = 0.5, width: int = 2) -> torch.nn.Module:
    module = torch.nn.Linear(width, 1)
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, start)
    return module


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A network after one step, so that Adam has moments."""
    module = network()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return module, optimizer


def test_the_same_training_has_the_same_fingerprint() -> None:
    assert fingerprint(network(), [X], HYPER, 1) == fingerprint(network(), [X.copy()], HYPER, 1)


@pytest.mark.parametrize(
    "other",
    [
        (network(0.6), [X], HYPER, 1),
        (network(), [X + 1], HYPER, 1),
        (network(), [X[:-1]], HYPER, 1),
        (network(), [X], TrainingHyper(batch=7), 1),
        (network(), [X], HYPER, 2),
    ],
    ids=["weights", "values", "events", "hyperparameters", "seed"],
)
def test_another_training_has_another_fingerprint(other) -> None:
    assert fingerprint(*other) != fingerprint(network(), [X], HYPER, 1)


def test_a_training_is_stuck_after_so_many_epochs_without_a_better_one() -> None:
    progress = Progress(validation_loss=[3.0, 1.0, 2.0, 1.5])
    assert progress.is_stuck(2)
    assert not progress.is_stuck(3)
    assert not progress.is_stuck(0)  # no patience given: it runs to its end
    assert not Progress().is_stuck(1)


def test_all_that_is_written_is_read_back(tmp_path: Path) -> None:
    module, optimizer = trained()
    progress = Progress([0.7, 0.6], [0.8, 0.7], [(0.7, 1, dict(module.state_dict()))])
    save_checkpoint(tmp_path / "a.pt", "key", module, optimizer, progress)
    other = network(9.0)
    other_optimizer = torch.optim.Adam(other.parameters())
    found = load_checkpoint(tmp_path / "a.pt", "key", other, other_optimizer)
    assert (found.train_loss, found.validation_loss) == ([0.7, 0.6], [0.8, 0.7])
    assert [kept[:2] for kept in found.kept] == [(0.7, 1)]
    for name, value in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
        assert torch.equal(found.kept[0][2][name], value)
    moments, read = (
        each.state_dict()["state"][0]["exp_avg"] for each in (optimizer, other_optimizer)
    )
    assert torch.equal(moments, read)


def test_a_checkpoint_of_another_training_changes_nothing(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", "key", *trained(), Progress())
    other = network(9.0)
    with pytest.raises(InputError, match="belongs to a training with other events"):
        load_checkpoint(tmp_path / "a.pt", "other", other, torch.optim.Adam(other.parameters()))
    assert all((parameter == 9.0).all() for parameter in other.parameters())


@pytest.mark.parametrize("content", [b"", b"broken", b"PK\x03\x04 cut short"])
def test_what_is_no_checkpoint_is_said_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pt: not a checkpoint .* remove it to start anew"):
        load_checkpoint(tmp_path / "a.pt", "key", *trained())


def test_a_full_disk_is_an_error_of_the_system(monkeypatch) -> None:
    """torch's own writer raises a RuntimeError about positions, which nobody can mend."""

    @contextmanager
    def full(_: object) -> Iterator[Any]:
        with open("/dev/full", "wb", buffering=0) as file:
            yield file

    monkeypatch.setattr(checkpoints, "atomic_file", full)
    with pytest.raises(OSError, match="No space left"):
        write_tensors("a.pt", {"weights": torch.zeros(1000)})


def test_code_is_not_run_and_not_advised(tmp_path: Path) -> None:
    """torch's own words say how to run it."""
    torch.save({"key": Path}, tmp_path / "a.pt")
    with pytest.raises(InputError) as refused:
        load_checkpoint(tmp_path / "a.pt", "key", *trained())
    assert "(it holds more than tensors and plain values, and is not read)" in str(refused.value)


def test_a_changed_bit_of_a_weight_is_noticed(tmp_path: Path) -> None:
    """torch looks at no checksum."""
    path = tmp_path / "a.pt"
    module, optimizer = trained()
    save_checkpoint(path, "key", module, optimizer, Progress())
    weight = next(module.parameters()).detach().numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[content.find(weight)] ^= 16
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pt: not a checkpoint \(.* is damaged\)"):
        load_checkpoint(path, "key", *trained())


def test_the_same_tensors_are_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    for name in ("a.pt", "b.tagger"):
        write_tensors(tmp_path / name, {"weights": torch.ones(3)})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.tagger").read_bytes()
