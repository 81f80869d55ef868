"""The dijet processor: events → one row of columns for each event with two jets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray

from ..base import Columns
from ..jets.clustering import invariant_mass, kinematics
from ..jets.momentum import Jagged
from ..registry import register_processor
from ..steps import Steps
from .jet_source import at_rank
from .of_jets import LeadingJetsProcessor

__all__ = ["DijetProcessor"]

_SOFTEST = 1.0  # GeV; softer "third jets" are single particles


@register_processor("dijet")
@dataclass(frozen=True)
class DijetProcessor(LeadingJetsProcessor):
    r"""Clusters each event into jets and describes the two leading ones.

    An event is kept if all its particles are finite, if it has two jets, and if it passes the
    optional cuts. Its columns (float32 unless said, GeV):

    ``event`` (uint64); ``mjj``, the mass of the two leading jets; for ``j1`` and ``j2``, in order
    of pT: ``pt, eta, phi, mass`` and the features, by default ``tau1, tau2, tau3``
    (N-subjettiness, β = 1, R0 = radius, one-pass winner-takes-all kT axes), ``tau21, tau32`` (zero
    where the denominator is), ``n`` (constituents, int16); ``j3_pt, j3_eta, j3_phi, j3_mass`` of
    the third jet above 1 GeV, zero where there is none; ``ht`` and ``n_jets`` (int16), the scalar
    sum of pT and the number of jets above `min_jet_pt`; ``mJ1, dmJ``, the lighter of the two
    masses and their difference (LHCO section 3.2, arXiv:2101.08320); ``weight`` and ``label``
    (int8) where the events have them.

    It runs in `process` of this package, and in a user's own `coffea.processor.Runner`, see
    `ColumnProcessor`.

    Attributes
    ----------
    radius, min_jet_pt, max_abs_eta, collection, features
        See `JetColumnProcessor`; the cut on \|η\| is on both leading jets, the features are of
        these.
    min_lead_pt, max_delta_eta
        See `LeadingJetsProcessor`.

    Examples
    --------
    >>> from overdensity.processors.jets.momentum import momenta
    >>> pt, eta, phi = np.array([600.0, 500.0]), np.array([0.5, -0.5]), np.array([0.0, 3.0])
    >>> events = ak.zip({"fat_jets": momenta(pt, eta, phi, np.array([2])), "event": [7]}, depth_limit=1)
    >>> selected = DijetProcessor(collection="fat_jets", features=()).select(events)
    >>> selected.columns["mjj"].round(1), selected.cutflow["two jets"]
    (array([1232.8], dtype=float32), 1)
    """

    axes: ClassVar[dict[str, Any]] = {
        "mjj": hist.axis.Regular(180, 1000, 10000, name="mjj", label="$m_{jj}$ [GeV]"),
        "j1_pt": hist.axis.Regular(100, 0, 5000, name="j1_pt", label="leading jet $p_T$ [GeV]"),
        "j1_mass": hist.axis.Regular(100, 0, 1000, name="j1_mass", label="leading jet mass [GeV]"),
        "j2_mass": hist.axis.Regular(100, 0, 1000, name="j2_mass", label="second jet mass [GeV]"),
        "j1_tau21": hist.axis.Regular(50, 0, 1, name="j1_tau21", label=r"leading jet $\tau_{21}$"),
        "j2_tau21": hist.axis.Regular(50, 0, 1, name="j2_tau21", label=r"second jet $\tau_{21}$"),
        "j1_n": hist.axis.Regular(75, -0.5, 299.5, name="j1_n", label="leading jet constituents"),
        "n_jets": hist.axis.Integer(0, 16, name="n_jets", label="jets"),
    }

    def describe(self, events: Jagged, steps: Steps) -> tuple[Columns, NDArray[np.integer[Any]]]:
        """Return the columns of the class, see `ColumnProcessor.describe`."""
        source = self.source
        jets, inside = source.find(events, min_pt=_SOFTEST, n_inside=2)
        pt = np.hypot(jets.px, jets.py)
        counted = pt > self.min_jet_pt
        steps.cut("two jets", ak.sum(counted, axis=1) >= 2)
        self.cut_on_leading(jets, steps, n=2)

        keep = steps.kept
        jets, pt, counted = jets[keep], pt[keep], counted[keep]
        columns: Columns = {"mjj": invariant_mass(jets[:, 0], jets[:, 1])}
        features = source.features(self.features, ak.flatten(inside[keep], axis=1))
        both = np.full(len(jets), 2)
        for rank in range(2):
            jet = f"j{rank + 1}"
            columns |= {f"{jet}_{name}": x for name, x in kinematics(jets[:, rank]).items()}
            columns |= {f"{jet}_{name}": at_rank(x, both, rank) for name, x in features.items()}
        third = kinematics(ak.flatten(jets[:, 2:3], axis=1))
        there = ak.to_numpy(ak.num(jets, axis=1) > 2).astype(np.int64)
        columns |= {f"j3_{name}": at_rank(x, there, 0) for name, x in third.items()}
        columns["ht"] = ak.to_numpy(ak.sum(pt[counted], axis=1))
        columns["n_jets"] = ak.to_numpy(ak.sum(counted, axis=1)).astype(np.int16)
        columns["mJ1"] = np.minimum(columns["j1_mass"], columns["j2_mass"])
        columns["dmJ"] = np.abs(columns["j1_mass"] - columns["j2_mass"])
        return columns, np.flatnonzero(keep)
