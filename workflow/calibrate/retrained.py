"""The global p-value with the training repeated: its record and its figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ...core import Record
from ...stats.search.pseudo_datasets import Smallest
from ...stats.search.pseudo_experiments import GlobalP
from ..drawing import BACKGROUND, COLOURS, STYLE
from ..stages.search_result import SearchResults

__all__ = ["PseudoDataset", "Retrained", "retrained_figure"]


@dataclass(frozen=True)
class PseudoDataset(Record):
    """The search of one pseudo-dataset.

    Attributes
    ----------
    index : int
        Its number.
    n_events : int
        Events in the scan range.
    smallest : Smallest
        Its smallest local p-value.
    problem : str or None
        Why it could not be fitted; it then counts with p = 1, as a pseudo-experiment does.
    """

    made_by = "'overdensity calibrate'"

    index: int
    n_events: int
    smallest: Smallest
    problem: str | None = None


@dataclass(frozen=True)
class Retrained(Record):
    """The global p-value with the training repeated, in ``pseudodata.json``.

    Attributes
    ----------
    global_p : GlobalP
        From the pseudo-datasets: (1 + k) / (1 + n), with its binomial error.
    z_local : float
        Largest local significance of the data.
    p_pseudo_experiments : float
        Global p-value of the search, from pseudo-experiments that take the scores as given.
    ks_p_value : float
        Kolmogorov-Smirnov test between the largest significances of pseudo-datasets and of
        pseudo-experiments: small where the latter are wrong about this method.
    datasets : tuple of PseudoDataset
        What the pseudo-datasets gave.
    source : str
        ``"data"`` or ``"simulation"``.
    smearing : float or None
        How far in ln(mass) events of the data were moved; None for simulated events.
    assumptions : tuple of str
        What the p-value rests on, in plain sentences.
    key : str
        Hash of all that the pseudo-datasets depend on.
    """

    made_by = "'overdensity calibrate'"

    global_p: GlobalP
    z_local: float
    p_pseudo_experiments: float
    ks_p_value: float
    datasets: tuple[PseudoDataset, ...]
    source: str
    smearing: float | None
    assumptions: tuple[str, ...]
    key: str


def retrained_figure(out: Path) -> Figure:
    """Draw how often pseudo-datasets and pseudo-experiments reach a significance, and the data's.

    Parameters
    ----------
    out : Path
        Folder of a run that `calibrate_search` has been at.
    """
    retrained = Retrained.from_json(out / "pseudodata.json")
    results = SearchResults.from_json(out / "results.json")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.subplots()
        shown = (
            (results.pseudo_z, BACKGROUND, f"{len(results.pseudo_z)} pseudo-experiments"),
            (retrained.global_p.largest_z, COLOURS[1], f"{len(retrained.datasets)} trained anew"),
        )
        for values, colour, label in shown:
            z = np.sort(np.asarray(values, dtype=float))[::-1]
            axes.step(z, np.arange(1, z.size + 1) / z.size, where="pre", color=colour, label=label)
        axes.axvline(retrained.z_local, color=COLOURS[2], lw=2, label="data")
        axes.set_yscale("log")
        axes.set_xlim(left=max(0.0, axes.get_xlim()[0]))
        axes.set_xlabel("largest local significance of the scan [σ]")
        axes.set_ylabel("fraction at or above")
        axes.set_title(
            f"Kolmogorov-Smirnov p = {retrained.ks_p_value:.2g}", loc="left", fontsize=11
        )
        axes.legend(fontsize=9)
    return figure
