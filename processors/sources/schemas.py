"""Where the schemas of coffea, uproot and nested Parquet put the branches of a file."""

from __future__ import annotations

from typing import Any

import awkward as ak

__all__ = ["find_branches"]


def find_branches(events: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Find branches among the fields of events, under the names uproot or a schema gives them.

    Parameters
    ----------
    events : ak.Array or mapping, shape (n_events,)
        With a field for each branch (base schema), or with the branches of a collection under it
        (`NanoAODSchema` and those derived from it, `PHYSLITESchema`, `TreeMakerSchema`; nested
        Parquet).
    wanted : frozenset of str
        Branches.

    Returns
    -------
    dict of str to ak.Array
        Those that are there.

    Examples
    --------
    >>> events = ak.Array([{"Jet": {"pt": [40.0]}, "Muon_pt": [3.0]}])  # as of NanoAODSchema
    >>> found = find_branches(events, frozenset({"Jet_pt", "Muon_pt", "Tau_pt"}))
    >>> sorted(found), found["Jet_pt"].tolist()
    (['Jet_pt', 'Muon_pt'], [[40.0]])
    """
    leaves = {name.rpartition("/")[2]: name for name in ak.fields(events)}
    found: dict[str, Any] = {}
    for branch in wanted:
        if branch in leaves:
            found[branch] = events[leaves[branch]]
            continue
        for collection, name in _places(branch):
            if collection in leaves and name in ak.fields(inner := events[leaves[collection]]):
                found[branch] = inner[name]
                break
    return found


def _places(branch: str) -> list[tuple[str, str]]:
    """Return the collections, and the names in them, that a schema may file a branch under."""
    if "AuxDyn." in branch:  # PHYSLITESchema drops what all names begin with
        head, _, tail = branch.partition("AuxDyn.")
        return [(head.removeprefix("Analysis"), tail), (head, tail)]
    if "Aux." in branch:
        head, _, tail = branch.partition("Aux.")
        return [(head, tail)]
    if ".fCoordinates.f" in branch:
        head, _, tail = branch.partition(".fCoordinates.f")
        return [(head, {"E": "energy"}.get(tail, tail.lower()))]
    cuts = [i for i, letter in enumerate(branch) if letter in "._"]
    return [(branch[:i], branch[i + 1 :]) for i in cuts]
