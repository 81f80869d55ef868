"""Branches become events."""

from __future__ import annotations

import pickle
from typing import Any

import awkward as ak
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors.sources.branches import ObjectBranches, Quantity
from overdensity.processors.sources.chunks import Chunk
from overdensity.processors.sources.known_layouts import LAYOUTS
from overdensity.processors.sources.layout import Layout

LISTS = ("jets", "fat_jets", "gen_jets")
JETS = ObjectBranches("jet_pt", "jet_eta", "jet_phi")


def layout(**more: Any) -> Layout:
    return Layout("own", trees=("t",), collections={"jets": (JETS,)}, **more)


def branches(**more: Any) -> dict[str, ak.Array]:
    lists = ak.Array([[40.0, 30.0], [], [20.0]])
    return {**{f"jet_{x}": lists for x in ("pt", "eta", "phi")}, **more}


def test_what_is_missing_is_said_in_words() -> None:
    found = layout(numbers=("run", ("event", "evt"))).missing({"jet_pt", "run"}, ["jets", "rho"])
    assert found == ["event or evt", "jet_eta", "jet_phi", "rho (which no own file has)"]


def test_events_without_a_branch_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match="the events have no jet_phi; they have jet_eta, jet_pt"):
        layout().normal({"jet_pt": ak.Array([]), "jet_eta": ak.Array([])}, ["jets"])


def test_an_error_of_a_chunk_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^a\.root: the events have no jet_pt"):
        layout().of_chunk({"x": ak.Array([])}, Chunk("a.root", 0, 0), ["jets"])


def test_ids_of_numbers_do_not_depend_on_the_file() -> None:
    numbered = layout(numbers=("run", "block", "number"))
    more = {name: ak.Array([1, 2, 3]) for name in ("run", "block", "number")}
    one = numbered.normal(branches(**more), ["jets"], start=0)
    other = numbered.normal(branches(**more), ["jets"], start=50)
    assert one.event.to_list() == other.event.to_list()
    assert len(set(one.event.to_list())) == 3


def test_simulated_processes_with_the_same_numbers_differ() -> None:
    numbered = layout(numbers=("number",), channel="channel")
    number = ak.Array([1, 2, 3])
    ids = [
        numbered.normal(branches(number=number, channel=ak.Array([c] * 3)), ["jets"]).event
        for c in (1, 2)
    ]
    assert not set(ids[0].to_list()) & set(ids[1].to_list())


def test_ids_without_numbers_are_of_the_content() -> None:
    whole = layout().normal(branches(), ["jets"]).event
    part = {name: column[1:] for name, column in branches().items()}
    rest = layout().normal(part, ["jets"], start=1).event
    assert rest.to_list() == whole[1:].to_list()
    assert len(set(whole.to_list())) == 3


def test_ids_do_not_depend_on_the_collection_that_is_read() -> None:
    lists = {
        name: (ObjectBranches(*(f"{name}_{x}" for x in ("pt", "eta", "phi"))),) for name in LISTS
    }
    own = Layout("own", trees=("t",), collections=lists)
    some = ak.Array([[40.0, 30.0], [], [20.0]])
    numbers = {f"{name}_{x}": some for name in LISTS for x in ("pt", "eta", "phi")}
    of_jets, of_fat_jets = (own.normal(numbers, [name]).event.to_list() for name in LISTS[:2])
    assert of_jets == of_fat_jets
    assert own.named_by(numbers) == ("jets", "fat_jets")  # never what the generator knows
    assert own.to_read(numbers, ["jets"]) >= {"jets_pt", "fat_jets_pt"}


def test_particles_name_the_events_where_there_are_some() -> None:
    known = LAYOUTS["flat"]
    there = {f"{name}_{x}" for name in ("particles", "jets") for x in ("pt", "eta", "phi")}
    assert known.named_by(there) == ("particles",)
    assert "particles_pt" in known.to_read(there, ["jets"])
    assert "particles_pt" not in known.to_read({*there, "event"}, ["jets"])


def test_the_truth_is_zero_or_one() -> None:
    labelled = layout(label=Quantity("y"))
    events = labelled.normal(branches(y=ak.Array([0, 1, 0])), ["jets"])
    assert ak.to_numpy(events.label).dtype == np.int8
    with pytest.raises(InputError, match="the truth of event 12 is 2, not 0 or 1"):
        labelled.normal(branches(y=ak.Array([0, 1, 2])), ["jets"], start=10)


def test_the_sum_of_weights_is_none_without_them() -> None:
    weighted = layout(weight=Quantity("w"))
    assert weighted.sum_of_weights(branches(w=ak.Array([0.5, 1.0, -0.5]))) == 1.0
    assert weighted.sum_of_weights(branches()) is None


def test_the_identity_of_a_file_is_that_of_its_first_events() -> None:
    one = layout().identity(branches(), 3)
    assert one == layout().identity(branches(other=ak.Array([1, 2, 3])), 3)
    assert one != layout().identity(branches(), 4)


def test_a_view_travels_and_finds_the_branches_of_a_schema() -> None:
    numbered = layout(numbers=("number",))
    jets = ak.zip({x: branches()[f"jet_{x}"] for x in ("pt", "eta", "phi")})
    nano = ak.Array({"jet": jets, "number": ak.Array([1, 2, 3])})
    view = pickle.loads(pickle.dumps(numbered.view("jets")))
    expected = numbered.normal(branches(number=ak.Array([1, 2, 3])), ["jets"])
    assert view(nano).event.to_list() == expected.event.to_list()
    assert view(nano).jets.pt.to_list() == expected.jets.pt.to_list()
