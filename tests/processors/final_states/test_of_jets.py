"""What the processors of jets share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.processors.final_states.jet_source import ClusteredJets, StoredJets
from overdensity.processors.final_states.of_jets import LeadingJetsProcessor
from overdensity.processors.jets.momentum import cartesian, momenta
from overdensity.processors.steps import Steps


@dataclass(frozen=True)
class Leading(LeadingJetsProcessor):
    def describe(self, events: Any, steps: Steps) -> Any:
        raise NotImplementedError


def jets() -> Any:
    """Events with two, one and no jets."""
    pt, eta = np.array([600.0, 500.0, 300.0]), np.array([2.0, 0.5, -1.0])
    return cartesian(momenta(pt, eta, np.zeros(3), np.array([2, 1, 0])))


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [True, True, True]),
        ({"min_lead_pt": 400.0}, [True, False, False]),
        ({"max_abs_eta": 1.5}, [False, True, True]),
        ({"max_delta_eta": 1.3}, [False, True, False]),
        ({"max_delta_eta": 1.6}, [True, True, False]),
    ],
)
def test_cuts_on_the_leading_jets(options, kept) -> None:
    steps = Steps(3)
    Leading(**options).cut_on_leading(jets(), steps, n=2)
    assert steps.kept.tolist() == kept
    assert len(steps.after) == len(options)


def test_jets_that_are_no_leading_ones_may_be_forward() -> None:
    pt, eta = np.array([600.0, 500.0, 300.0]), np.array([0.5, 0.0, 4.0])
    events = cartesian(momenta(pt, eta, np.zeros(3), np.array([3])))
    for n, kept in ((2, True), (3, False)):
        steps = Steps(1)
        Leading(max_abs_eta=2.5).cut_on_leading(events, steps, n=n)
        assert steps.kept.tolist() == [kept]


def test_the_collection_says_where_jets_come_from() -> None:
    assert Leading(radius=0.8).source == ClusteredJets("particles", 0.8)
    stored = Leading(collection="fat_jets")
    assert stored.source == StoredJets("fat_jets")
    assert stored.collections == ("fat_jets",)


def test_what_cannot_be_is_refused_when_it_is_made() -> None:
    with pytest.raises(ConfigError, match="no jets from 'fatjets': did you mean 'fat_jets'"):
        Leading(collection="fatjets")
