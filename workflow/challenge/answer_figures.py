"""Answers beside the truth, as Fig. 51 of the LHC Olympics (arXiv:2101.08320); jets of an excess."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import BACKGROUND, COLOURS, STYLE
from .jets_of_excess import JetOfExcess, JetsOfExcess
from .judging import QUANTITIES, BoxScore, QuantityScore

__all__ = ["plot_answers", "plot_jets"]

_LARGEST_PULL = 5.0  # beyond, a triangle at the edge and the number


def plot_answers(answers: Sequence[BoxScore]) -> Figure:
    """Draw the answers to one box: four panels with pulls, a line for each who answered.

    Parameters
    ----------
    answers : sequence of BoxScore
        Of a box with a signal.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 1.9 + 0.62 * len(answers)))
        figure.suptitle(f"Answers to {answers[0].box}")
        panels = np.ravel(np.array(figure.subfigures(2, 2, wspace=0.03, hspace=0.03)))
        for panel, (name, label) in zip(panels, QUANTITIES.items(), strict=True):
            values, pulls = panel.subplots(1, 2, sharey=True, width_ratios=[3, 1])
            found = [each.quantities.get(name) for each in answers]
            _draw_values(values, found, label)
            _draw_pulls(pulls, found)
            values.set_yticks(range(len(answers)), [each.name for each in answers])
            values.set_ylim(len(answers) - 0.5, -0.5)
    return figure


def _draw_values(axes: Axes, found: Sequence[QuantityScore | None], label: str) -> None:
    """Draw what was answered, and the truth."""
    axes.set_xlabel(label)
    truths = [each.truth for each in found if each is not None]
    if not truths:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "the signal has none", transform=axes.transAxes, ha="center")
        return
    axes.axvline(truths[0], color=COLOURS[2], lw=1.5, label=f"truth: {truths[0]:.0f}")
    for row, each in enumerate(found):
        if each is None or each.value is None:
            place, words = axes.get_yaxis_transform(), "no answer"
            axes.text(0.03, row, words, transform=place, color=COLOURS[3], va="center", fontsize=9)
        else:
            axes.errorbar(each.value, row, xerr=each.error, fmt="o", color=BACKGROUND, ms=5)
    axes.margins(x=0.1)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=9, borderaxespad=0.1)


def _draw_pulls(axes: Axes, found: Sequence[QuantityScore | None]) -> None:
    """Draw the pulls; those beyond the axis as triangles at its edge."""
    axes.axvspan(-1, 1, color=COLOURS[3], alpha=0.25, lw=0)
    axes.axvline(0.0, color=COLOURS[2], lw=1.5)
    for row, each in enumerate(found):
        if each is None or each.pull is None:
            continue
        shown = float(np.clip(each.pull, -_LARGEST_PULL, _LARGEST_PULL))
        if shown == each.pull:
            axes.plot(shown, row, "o", color=BACKGROUND, ms=5)
            continue
        axes.plot(shown, row, ">" if shown > 0 else "<", color=BACKGROUND, ms=6)
        side = "right" if shown > 0 else "left"
        axes.text(0.75 * shown, row, f"{each.pull:.0f}", ha=side, va="center", fontsize=9)
    axes.set_xlim(-1.15 * _LARGEST_PULL, 1.15 * _LARGEST_PULL)
    axes.set_xlabel("pull")
    axes.tick_params(left=False)


def plot_jets(jets: JetsOfExcess) -> Figure | None:
    """Draw both jet masses of the selected events over what the sidebands expect; None for none."""
    both = [jet for jet in (jets.heavier, jets.lighter) if jet is not None]
    if not both:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.8))
        for axes, jet in zip(figure.subplots(1, 2), both, strict=True):
            _draw_jet(axes, jet)
    return figure


def _draw_jet(axes: Axes, jet: JetOfExcess) -> None:
    spectrum, peak = jet.spectrum, jet.peak
    edges = np.array(spectrum.edges)
    centers = (edges[1:] + edges[:-1]) / 2
    observed = np.array(spectrum.observed)
    axes.stairs(
        spectrum.expected, edges, fill=True, alpha=0.4, color=BACKGROUND, label="from sidebands"
    )
    axes.errorbar(
        centers, observed, np.sqrt(observed), fmt=".", color="black", ms=5, lw=1, label="selected"
    )
    if peak.mass is not None and jet.mass_error is not None:
        low, high = peak.mass - jet.mass_error, peak.mass + jet.mass_error
        axes.axvspan(low, high, color=COLOURS[2], alpha=0.35, lw=0, label="peak")
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0)
    axes.set_xlabel(f"mass of the {peak.name} [GeV]")
    axes.set_ylabel("events")
    axes.legend(fontsize=9)
