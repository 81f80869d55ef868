"""How features of jets are computed: each function gives all those asked for that share its work.

They take the names that `table` gives them, and return a column for each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from ...core import InputError
from ..jets.constituents import FlatJets
from ..jets.momentum import Jagged
from .cambridge import cambridge_aachen
from .correlators import energy_correlators
from .declustering import declustering_sum, lund_declusterings, soft_drop
from .efp import GRAPHS, energy_flow_polynomials
from .images import jet_images
from .n_subjettiness import ratio
from .n_subjettiness_kernel import one_pass_wta_kt
from .sequences import kt_sequences, pt_sequences
from .splitting_planes import lund_plane, mass_plane

__all__ = [
    "FeatureColumns",
    "JetContents",
    "correlators",
    "count",
    "declustered",
    "images",
    "polynomials",
    "sequences",
    "tau",
    "tracks",
]

FeatureColumns = dict[str, Any]  # names → numpy or awkward arrays, one entry a jet


@dataclass(frozen=True)
class JetContents:
    """What features are computed from.

    Attributes
    ----------
    constituents : ak.Array, shape (n_jets, var)
        With ``charge`` where tracks are counted.
    flat : FlatJets
        The same as flat buffers.
    radius : float
        The radius of the jets.
    threads : int
        How many threads share the jets.
    """

    constituents: Jagged
    flat: FlatJets
    radius: float
    threads: int


def _by_exponent(names: Sequence[str]) -> dict[float, dict[str, str]]:
    """Group names by the exponents in them, 1 where there is none: exponent → name → stem."""
    groups: dict[float, dict[str, str]] = {}
    for name in names:
        stem, _, beta = name.partition("_b")
        groups.setdefault(float(beta or 1), {})[name] = stem
    return groups


def count(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Count constituents."""
    return dict.fromkeys(names, jets.flat.counts.astype(np.int16))


def tracks(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Count charged constituents.

    Raises
    ------
    InputError
        If the constituents have no charge.
    """
    if "charge" not in jets.constituents.fields:
        msg = (
            f"the jet feature {names[0]!r} counts charged constituents, and these constituents "
            f"have no 'charge', only {', '.join(jets.constituents.fields)}"
        )
        raise InputError(msg)
    charged = ak.sum(jets.constituents.charge != 0, axis=1)
    return dict.fromkeys(names, ak.to_numpy(charged).astype(np.int16))


def tau(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Compute N-subjettiness and its ratios, in one call of the kernel for each exponent."""
    columns: FeatureColumns = {}
    for beta, stems in _by_exponent(names).items():
        n_axes = sorted({int(n) for stem in stems.values() for n in stem.removeprefix("tau")})
        values = one_pass_wta_kt(
            jets.flat, np.array(n_axes), beta=beta, radius=jets.radius, threads=jets.threads
        )
        of_n = {str(n): column for n, column in zip(n_axes, values.T, strict=True)}
        for name, stem in stems.items():
            above, *below = stem.removeprefix("tau")
            columns[name] = ratio(of_n[above], of_n[below[0]]) if below else of_n[above]
    return columns


def correlators(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Compute energy correlation functions and their ratios, once for each exponent."""
    columns: FeatureColumns = {}
    for beta, stems in _by_exponent(names).items():
        e2, e3 = energy_correlators(jets.flat, beta=beta, threads=jets.threads).T
        values = {"e2": e2, "e3": e3, "c2": ratio(e3, e2**2), "d2": ratio(e3, e2**3)}
        columns |= {name: values[stem] for name, stem in stems.items()}
    return columns


def polynomials(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Compute energy flow polynomials, all or those asked for, once for each exponent."""
    columns: FeatureColumns = {}
    for beta, stems in _by_exponent(names).items():
        singles = {name: int(stem[3:]) for name, stem in stems.items() if stem != "efps"}
        which = sorted(set(singles.values())) if len(singles) == len(stems) else range(len(GRAPHS))
        efps = energy_flow_polynomials(jets.flat, which, beta=beta, threads=jets.threads)
        columns |= dict.fromkeys(stems, efps)
        columns |= {name: efps[:, list(which).index(k)] for name, k in singles.items()}
    return columns


def declustered(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Read everything off one Cambridge/Aachen tree."""
    trees = cambridge_aachen(jets.flat, threads=jets.threads)
    columns: FeatureColumns = {}
    if any(name.startswith("softdrop_") for name in names):
        groomed = soft_drop(trees, z_cut=0.1, beta=0.0, radius=jets.radius)
        columns |= {f"softdrop_{name}": x for name, x in groomed._asdict().items()}
    if "mass_plane" in names:
        columns["mass_plane"] = mass_plane(trees)
    if {"lund", "lund_plane"} & set(names):
        primary = lund_declusterings(trees)
        columns["lund"] = ak.values_astype(primary, np.float32)
        columns["lund_plane"] = lund_plane(
            np.repeat(np.arange(len(trees)), ak.to_numpy(ak.num(primary))),
            ak.to_numpy(ak.flatten(primary.ln_inv_delta)),
            ak.to_numpy(ak.flatten(primary.ln_kt)),
            n_jets=len(trees),
        )
    if "declustering_sum" in names:
        columns["declustering_sum"] = declustering_sum(trees)
    return columns


def images(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Make images."""
    return dict.fromkeys(names, jet_images(jets.flat, radius=jets.radius))


def sequences(names: Sequence[str], jets: JetContents) -> FeatureColumns:
    """Order constituents by pT or kT, and cut the sequence where the name has a length."""
    columns: FeatureColumns = {}
    for name in names:
        length = re.search(r"\d+$", name)
        longest = int(length[0]) if length else None
        columns[name] = (
            kt_sequences(jets.flat, longest=longest, threads=jets.threads)
            if name.startswith("kt")
            else pt_sequences(jets.flat, longest=longest)
        )
    return columns
