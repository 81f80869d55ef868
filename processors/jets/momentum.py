"""Four-momenta as flat numpy buffers in awkward's clothes, made without copies where possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import vector
from numpy.typing import NDArray

__all__ = ["Jagged", "cartesian", "momenta"]

vector.register_awkward()

# An ak.Array inside a function: its stubs make a union of seven types of every index and field.
Jagged: TypeAlias = Any


def momenta(
    pt: NDArray[np.floating[Any]],
    eta: NDArray[np.floating[Any]],
    phi: NDArray[np.floating[Any]],
    counts: NDArray[np.integer[Any]],
    *,
    mass: NDArray[np.floating[Any]] | None = None,
    extras: Mapping[str, NDArray[Any]] | None = None,
) -> ak.Array:
    """Return particles as lists of Momentum4D, one list an event.

    Parameters
    ----------
    pt, eta, phi, mass : array, shape (n_particles,)
        Of all particles, event after event, in GeV; massless where no mass is given.
    counts : array of int, shape (n_events,)
        How many particles each event has.
    extras : mapping of str to array, each of shape (n_particles,)
        What else is known of each particle; keeps its type.

    Returns
    -------
    ak.Array, shape (n_events, var)
        float64, beside the extras.
    """
    columns = {
        "pt": pt,
        "eta": eta,
        "phi": phi,
        "mass": np.zeros(len(pt)) if mass is None else mass,
    }
    momentum = {name: np.ascontiguousarray(x, np.float64) for name, x in columns.items()}
    return _lists({**momentum, **(extras or {})}, counts)


def cartesian(particles: ak.Array) -> ak.Array:
    """Return particles as packed lists of Momentum4D with px, py, pz, E: what FastJet reads.

    Given pt, eta, phi and mass, the wrapper of FastJet would convert four times and, for the
    energy, through the momenta again; this does it once.

    Parameters
    ----------
    particles : ak.Array, shape (n_events, var)
        With pt, eta, phi, mass, in GeV.

    Returns
    -------
    ak.Array, shape (n_events, var)
        float64.
    """
    counts = ak.to_numpy(ak.num(particles, axis=1))
    flat = ak.flatten(particles, axis=1)
    pt, eta, phi, mass = (ak.to_numpy(flat[name]) for name in ("pt", "eta", "phi", "mass"))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is dropped and counted
        pz = pt * np.sinh(eta)
        energy = np.sqrt(pt * pt + pz * pz + mass * mass)
        columns = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pz, "E": energy}
    return _lists(columns, counts)


def _lists(columns: dict[str, Any], counts: NDArray[np.integer[Any]]) -> ak.Array:
    content = ak.contents.RecordArray(
        [ak.contents.NumpyArray(column) for column in columns.values()],
        list(columns),
        parameters={"__record__": "Momentum4D"},
    )
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), content))
