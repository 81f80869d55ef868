"""The dijet processor: events → one row of columns for each event with two jets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import awkward as ak
import hist
import numpy as np
from coffea.processor import ProcessorABC
from numpy.typing import NDArray

from .jets import cluster, eta_phi, invariant_mass
from .momentum import Jagged, cartesian
from .substructure import n_subjettiness, ratio

__all__ = ["DijetProcessor", "Selected"]

Columns = dict[str, NDArray[Any]]

_SOFTEST = 1.0  # GeV; softer "third jets" are single particles

_AXES: dict[str, hist.axis.Regular | hist.axis.Integer] = {
    "mjj": hist.axis.Regular(180, 1000, 10000, name="mjj", label="$m_{jj}$ [GeV]"),
    "j1_pt": hist.axis.Regular(100, 0, 5000, name="j1_pt", label="leading jet $p_T$ [GeV]"),
    "j1_mass": hist.axis.Regular(100, 0, 1000, name="j1_mass", label="leading jet mass [GeV]"),
    "j2_mass": hist.axis.Regular(100, 0, 1000, name="j2_mass", label="second jet mass [GeV]"),
    "j1_tau21": hist.axis.Regular(50, 0, 1, name="j1_tau21", label=r"leading jet $\tau_{21}$"),
    "j2_tau21": hist.axis.Regular(50, 0, 1, name="j2_tau21", label=r"second jet $\tau_{21}$"),
    "j1_n": hist.axis.Regular(75, 0, 300, name="j1_n", label="leading jet constituents"),
    "n_jets": hist.axis.Integer(0, 16, name="n_jets", label="jets"),
}


class Selected(NamedTuple):
    """What is left of a chunk.

    Attributes
    ----------
    columns : dict of str to array, each of shape (n_selected,)
        See `DijetProcessor`.
    cutflow : dict of str to int
        Events left after each step, in order.
    """

    columns: Columns
    cutflow: dict[str, int]


@dataclass(frozen=True)
class DijetProcessor(ProcessorABC):
    r"""Clusters each event into jets and describes the two leading ones.

    An event is kept if all its particles are finite, if it has two jets, and if it passes the
    optional cuts. Its columns (float32 unless said, GeV):

    ``event`` (uint64); ``mjj``, the mass of the two leading jets; for ``j1`` and ``j2``, in order
    of pT: ``pt, eta, phi, mass, tau1, tau2, tau3`` (N-subjettiness, β = 1, R0 = radius, one-pass
    winner-takes-all kT axes), ``tau21, tau32`` (zero where the denominator is), ``n``
    (constituents, int16); ``j3_pt, j3_eta, j3_phi, j3_mass`` of the third jet above 1 GeV, zero
    where there is none; ``ht`` and ``n_jets`` (int16), the scalar sum of pT and the number of
    jets above `min_jet_pt`; ``mJ1, dmJ``, the lighter of the two masses and their difference
    (LHCO section 3.2, arXiv:2101.08320); ``label`` (int8) where the truth is known.

    It runs in `process` of this package, and in a user's own `coffea.processor.Runner` with a
    `view` (`root.PFNano`, `root.DelphesEFlow`) that finds the particles in the events.

    Attributes
    ----------
    radius : float
        R of the anti-kT algorithm.
    min_jet_pt : float
        What counts as a jet, in GeV.
    min_lead_pt : float or None
        Optional cut on the leading jet's pT, in GeV.
    max_abs_eta : float or None
        Optional cut on \|η\| of both leading jets.
    view : callable or None
        Turns events of a coffea schema into ``particles, event[, label]``; None where they are
        so already.
    batch_events : int
        How many events FastJet holds at a time (some 60 kB each); no influence on the result.
    """

    radius: float = 1.0
    min_jet_pt: float = 50.0
    min_lead_pt: float | None = None
    max_abs_eta: float | None = None
    view: Callable[[ak.Array], ak.Array] | None = None
    batch_events: int = 2000

    def settings(self) -> dict[str, Any]:
        """Return what the columns depend on beside the events, as plain JSON values."""
        return {
            "processor": "dijet",
            "radius": self.radius,
            "min_jet_pt": self.min_jet_pt,
            "min_lead_pt": self.min_lead_pt,
            "max_abs_eta": self.max_abs_eta,
        }

    def process(self, events: ak.Array) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - coffea annotates nothing
        """Return the cutflow and the histograms of a chunk: what coffea's Runner adds up."""
        selected = self.select(events if self.view is None else self.view(events))
        return {"cutflow": selected.cutflow, "hists": self.histograms(selected.columns)}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what was added up, as it is."""
        return accumulator

    def select(self, events: ak.Array) -> Selected:
        """Return the columns and the cutflow of a chunk.

        Parameters
        ----------
        events : ak.Array, shape (n_events,)
            With ``particles`` (Momentum4D: pt, eta, phi, mass), ``event`` and perhaps ``label``.
        """
        n_events, step = len(events), self.batch_events
        batches = [self._batch(events[i : i + step]) for i in range(0, max(n_events, 1), step)]
        return Selected(
            {
                name: np.concatenate([batch.columns[name] for batch in batches])
                for name in batches[0].columns
            },
            {name: sum(batch.cutflow[name] for batch in batches) for name in batches[0].cutflow},
        )

    def histograms(self, columns: Columns) -> dict[str, hist.Hist]:
        """Return the control histograms of some columns."""
        return {name: hist.Hist(axis).fill(columns[name]) for name, axis in _AXES.items()}

    def _batch(self, events: Jagged) -> Selected:
        particles: Jagged = cartesian(events.particles)
        cutflow = {"events read": len(events)}

        # A NaN would make FastJet drop the jet without a word.
        finite = ak.to_numpy(
            ak.all(np.isfinite(particles.E) & np.isfinite(particles.px), axis=1)
            & ak.all(events.particles.pt >= 0, axis=1)
        )
        events, particles = events[finite], ak.to_packed(particles[finite])
        cutflow["finite particles"] = len(events)

        jets, constituents = cluster(
            particles, radius=self.radius, min_pt=_SOFTEST, n_constituents=2
        )
        pt = np.hypot(jets.px, jets.py)
        counted = pt > self.min_jet_pt
        keep = ak.to_numpy(ak.sum(counted, axis=1) >= 2)
        cutflow["two jets"] = int(np.count_nonzero(keep))
        if self.min_lead_pt is not None:
            keep &= ak.to_numpy(ak.any(pt > self.min_lead_pt, axis=1))
            cutflow["leading jet pT"] = int(np.count_nonzero(keep))
        if self.max_abs_eta is not None:
            eta = np.arcsinh(jets.pz[:, :2] / pt[:, :2])
            keep &= ak.to_numpy(ak.all(abs(eta) < self.max_abs_eta, axis=1))
            cutflow["leading jets eta"] = int(np.count_nonzero(keep))

        jets, pt, counted = jets[keep], pt[keep], counted[keep]
        columns: Columns = {
            "event": ak.to_numpy(events.event[keep]),
            "mjj": invariant_mass(jets[:, 0], jets[:, 1]),
        }
        tau_columns = self._substructure(constituents[keep])
        for rank in range(2):
            columns |= _kinematics(f"j{rank + 1}", jets[:, rank])
            columns |= {f"j{rank + 1}_{name}": x[:, rank] for name, x in tau_columns.items()}
        columns |= _third_jet(jets)
        columns["ht"] = ak.to_numpy(ak.sum(pt[counted], axis=1))
        columns["n_jets"] = ak.to_numpy(ak.sum(counted, axis=1)).astype(np.int16)
        columns["mJ1"] = np.minimum(columns["j1_mass"], columns["j2_mass"])
        columns["dmJ"] = np.abs(columns["j1_mass"] - columns["j2_mass"])
        if "label" in events.fields:
            columns["label"] = ak.to_numpy(events.label[keep]).astype(np.int8)
        return Selected(
            {
                name: x.astype(np.float32) if x.dtype == np.float64 else x
                for name, x in columns.items()
            },
            cutflow,
        )

    def _substructure(self, constituents: Jagged) -> Columns:
        """Return the N-subjettiness and the multiplicity of two jets an event, (n_events, 2)."""
        of_jets = ak.flatten(constituents, axis=1)
        tau = n_subjettiness(of_jets, (1, 2, 3), radius=self.radius).reshape(-1, 2, 3)
        tau1, tau2, tau3 = np.moveaxis(tau, -1, 0)
        return {
            "tau1": tau1,
            "tau2": tau2,
            "tau3": tau3,
            "tau21": ratio(tau2, tau1),
            "tau32": ratio(tau3, tau2),
            "n": ak.to_numpy(ak.num(of_jets, axis=1)).astype(np.int16).reshape(-1, 2),
        }


def _kinematics(name: str, jets: Jagged) -> Columns:
    eta, phi = eta_phi(jets)
    return {
        f"{name}_pt": np.hypot(ak.to_numpy(jets.px), ak.to_numpy(jets.py)),
        f"{name}_eta": eta,
        f"{name}_phi": phi,
        f"{name}_mass": invariant_mass(jets),
    }


def _third_jet(jets: Jagged) -> Columns:
    present = ak.to_numpy(ak.num(jets, axis=1) > 2)
    columns: Columns = {}
    for name, values in _kinematics("j3", jets[present][:, 2]).items():
        columns[name] = np.zeros(len(jets))
        columns[name][present] = values
    return columns
