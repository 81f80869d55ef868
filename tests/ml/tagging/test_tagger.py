"""Taggers by themselves: what they reach, what they know, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.blocks.constituents import Constituents
from overdensity.ml.evaluation.metrics import auc
from overdensity.ml.tagging.tagger import Tagger, train_tagger

from .conftest import SMALL, toy_jets

ONE_EPOCH = {"training": {"epochs": 1, "learning_rate": 1e-5}}


def test_prongs_are_told_on_jets_it_has_never_seen(tagger: Tagger) -> None:
    other = toy_jets(400, seed=1)
    assert auc(tagger.score(other), other.label) > 0.85


def test_labels_without_meaning_teach_nothing(jets) -> None:
    label = np.random.default_rng(1).integers(0, 2, len(jets)).astype(np.int8)
    _, reached = train_tagger(replace(jets, label=label), "pfn", SMALL)
    assert reached.jets > 30
    assert abs(reached.auc - 0.5) < 0.3  # four standard deviations


def test_it_knows_whom_it_learnt_from(tagger: Tagger, jets) -> None:
    assert 0.7 * len(jets) < tagger.knows(jets) < len(jets)  # a tenth tested it
    assert tagger.knows(toy_jets(50, seed=1)) == 0


def test_a_training_can_begin_with_another(tagger: Tagger, jets) -> None:
    other, unlike = toy_jets(400, seed=1), toy_jets(300, seed=2)
    tuned, _ = train_tagger(unlike, "pfn", ONE_EPOCH, start=tagger)
    fresh, _ = train_tagger(unlike, "pfn", SMALL | ONE_EPOCH)
    np.testing.assert_allclose(tuned.score(other), tagger.score(other), atol=0.02)
    assert np.abs(fresh.score(other) - tagger.score(other)).max() > 0.1
    assert tuned.knows(jets) == tagger.knows(jets)  # it has what its beginning learnt, too
    assert tuned.knows(unlike) > 0


def test_jets_that_the_beginning_has_learnt_do_not_test(tagger: Tagger, jets) -> None:
    _, first = train_tagger(jets, "pfn", ONE_EPOCH, start=tagger)  # the same tenth tests as before
    _, other = train_tagger(jets, "pfn", ONE_EPOCH, start=tagger, seed=3)
    learnt_by_none = len(jets) - tagger.knows(jets)
    assert first.jets == learnt_by_none
    assert 0 < other.jets < learnt_by_none / 2


@pytest.mark.parametrize(
    ("given", "names", "said"),
    [
        (("pcnn", {}), ("x",), "is of the kind 'pfn', not 'pcnn'"),
        (("pfn", {"phi": [9]}), ("x",), "a 'pfn' of another shape; leave its widths"),
        (
            ("pfn", {}),
            (),
            "reads x, j1_constituents: 1 columns of constituents and 1 of numbers, not 1",
        ),
    ],
)
def test_a_beginning_of_another_network_is_refused(
    tagger: Tagger, jets, given: tuple[str, dict], names: tuple[str, ...], said: str
) -> None:
    kept = replace(jets, features=jets.features[:, : len(names)], names=names)
    with pytest.raises(InputError, match=said):
        train_tagger(kept, *given, start=tagger)


def test_jets_that_cannot_be_learnt_from_are_refused(jets) -> None:
    def refused(said: str, **changed: object) -> None:
        with pytest.raises(InputError, match=said):
            train_tagger(replace(jets, **changed), "pfn", SMALL)

    refused("no column 'label'", label=None)
    refused("a tagger needs constituents, and x holds none", blocks={})
    refused("none of one class is among those", label=np.zeros(len(jets), np.int8))
    refused("tagger: 500 of 500 events have a negative weight", weight=np.full(len(jets), -1.0))
    empty = Constituents.from_lists([[]] * len(jets))
    refused("500 of 500 jets have no constituents", blocks={"j1_constituents": empty})


def test_numbers_and_lists_are_not_taken_for_each_other(jets) -> None:
    numbers = replace(jets, features=jets.mass[:, None].astype(np.float32), names=("mass",))
    tagger, _ = train_tagger(numbers, "pfn", SMALL)
    lists = tagger.columns[1]
    with pytest.raises(
        InputError, match=f"reads numbers in the column '{lists}', which holds others"
    ):
        tagger.renamed((lists, lists)).score(numbers)
    with pytest.raises(InputError, match="reads lists in the column 'mass', which holds others"):
        tagger.renamed(("mass", "mass")).score(numbers)


def test_jets_without_its_columns_are_refused(tagger: Tagger, jets) -> None:
    with pytest.raises(InputError, match="reads the column 'j1_constituents', which these jets"):
        tagger.score(replace(jets, blocks={}))


def test_columns_may_have_other_names(tagger: Tagger, jets) -> None:
    named = replace(jets, names=("y",), blocks={"jet": jets.blocks["j1_constituents"]})
    np.testing.assert_array_equal(tagger.renamed(("y", "jet")).score(named), tagger.score(jets))
    with pytest.raises(ConfigError, match="reads 2 columns, x, j1_constituents, in place of"):
        tagger.renamed(("jet",))
