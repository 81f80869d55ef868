"""Many signals for one background: a workspace without signal, and a pyhf patch set."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyhf import utils

from ...core import InputError
from .pieces import STRENGTH

__all__ = ["background_only", "signal_patchset"]

Workspace = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_]+")


def background_only(workspace: Workspace) -> Workspace:
    """Return a workspace without the samples that scale with ``mu``.

    Raises
    ------
    InputError
        If a channel has no other sample.
    """
    out = copy.deepcopy(workspace)
    for channel in out["channels"]:
        channel["samples"] = [sample for sample in channel["samples"] if not _is_signal(sample)]
        if not channel["samples"]:
            msg = f"the channel {channel['name']!r} holds nothing but signal"
            raise InputError(msg)
    return out


def signal_patchset(
    workspaces: Mapping[tuple[float | str, ...], Workspace],
    *,
    labels: Sequence[str] = ("mass",),
    description: str = "Signals over one background, as patches of its workspace.",
    inspire: str = "ins0000000",
) -> tuple[Workspace, dict[str, Any]]:
    """Return the background that several workspaces share, and a patch for the signal of each.

    Parameters
    ----------
    workspaces : mapping of tuple to dict
        Workspaces by the values of their signal hypothesis, e.g. ``{(3500.0,): workspace}``. All
        but the signal must be the same.
    labels : sequence of str
        What the values are: letters, digits and underscores.
    description : str
        A sentence for the reader.
    inspire : str
        The publication, which the schema requires: "ins" and seven digits; zeros before there is
        one.

    Returns
    -------
    background : dict
        Workspace to patch (``pyhf cls background.json --patch``, after ``pyhf patchset extract``).
    patchset : dict
        Patch set (``patchset.json``), with the digests of the background.

    Raises
    ------
    InputError
        If there are none, backgrounds differ, or labels and values do not match.
    """
    if not workspaces:
        msg = "there are no workspaces to make patches of"
        raise InputError(msg)
    for label in labels:
        if not _NAME.fullmatch(label):
            msg = f"the label {label!r} may hold letters, digits and underscores only"
            raise InputError(msg)
    if not re.fullmatch(r"ins[0-9]{7}", inspire):
        msg = f"the publication is {inspire!r}; write 'ins' and the seven digits of its INSPIRE record"
        raise InputError(msg)
    background = background_only(next(iter(workspaces.values())))
    patches, names = [], set()
    for values, workspace in workspaces.items():
        if len(values) != len(labels):
            msg = f"the signal {values} has {len(values)} values for the labels {', '.join(labels)}"
            raise InputError(msg)
        if background_only(workspace) != background:
            msg = (
                f"the workspace of the signal {values} has another background; patch sets need one"
            )
            raise InputError(msg)
        name = "_".join(["signal", *(_plain(value) for value in values)])
        if name in names:
            msg = f"two signals would be named {name!r}; give them values that differ more"
            raise InputError(msg)
        names.add(name)
        patches.append(
            {"metadata": {"name": name, "values": list(values)}, "patch": _patch(workspace)}
        )
    digests = {
        algorithm: utils.digest(background, algorithm=algorithm) for algorithm in ("md5", "sha256")
    }
    return background, {
        "metadata": {
            "references": {"hepdata": inspire},
            "digests": digests,
            "labels": list(labels),
            "description": description,
        },
        "patches": patches,
        "version": "1.0.0",
    }


def _is_signal(sample: dict[str, Any]) -> bool:
    return any(modifier["name"] == STRENGTH for modifier in sample["modifiers"])


def _patch(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the operations that put the signal samples back where they were."""
    return [
        {"op": "add", "path": f"/channels/{channel}/samples/{place}", "value": sample}
        for channel, content in enumerate(workspace["channels"])
        for place, sample in enumerate(content["samples"])
        if _is_signal(sample)
    ]


def _plain(value: float | str) -> str:
    """Return a value as a part of a name."""
    text = value if isinstance(value, str) else f"{value:g}"
    return re.sub(r"[^a-zA-Z0-9_]", "_", text.replace(".", "p").replace("-", "m"))
