"""The results of a search in several channels: plain records, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Record
from ...core.tables import Printed, Style, Table
from ..search.hunt_result import Repeats, SelectionResult
from ..search.printed import probability, selection_name, significances
from ..search.pseudo_experiments import GlobalP
from ..spectra.resonance import Resonance
from ..spectra.spectrum import SpectrumFit

__all__ = ["ChannelPeak", "ChannelSummary", "CombinedResult", "Hypothesis"]


@dataclass(frozen=True)
class Hypothesis(Record):
    """One resonance mass, in all channels.

    Attributes
    ----------
    mass, low, high : float
        Geometric center and edges of the signal region, GeV.
    channels : tuple of SelectionResult or None
        The most significant selection of each channel; None where no fit may be quoted, or the
        channel is not searched.
    statistic : float
        Sum over the channels of max(z, 0)² (`joint_statistic`).
    p_local, z_local : float
        Probability of so large a statistic at this mass without signal, choice of the selections
        included; one-sided significance.
    extrapolated : bool
        Fewer than ten pseudo-experiments came up to the data at this mass: p_local rests on the
        normal tails of the channels.
    searched : tuple of bool
        Which channels are searched at this mass.
    """

    mass: float
    low: float
    high: float
    channels: tuple[SelectionResult | None, ...]
    statistic: float
    p_local: float
    z_local: float
    extrapolated: bool
    searched: tuple[bool, ...]


@dataclass(frozen=True)
class ChannelSummary(Record):
    """A channel on its own, as `hunt` would have it.

    Attributes
    ----------
    name, function : str
        Of the channel; of its background function.
    n_events : int
        Events in its spectrum.
    window : int or None
        Index of its best hypothesis; None where no fit may be quoted.
    p_local, z_local : float
        Its smallest local p-value over hypotheses and selections; 1 where there is none.
    global_p : GlobalP or None
        Global p-value of that.
    unselected_p_value : float
        Goodness of the fit of its unselected spectrum in all bins.
    flags : tuple of str
        What a reader must know about the channel.
    repeats : Repeats or None
        Where it has several partitions into folds: what each says alone.
    """

    name: str
    function: str
    n_events: int
    window: int | None
    p_local: float
    z_local: float
    global_p: GlobalP | None
    unselected_p_value: float
    flags: tuple[str, ...]
    repeats: Repeats | None = None


@dataclass(frozen=True)
class ChannelPeak(Record):
    """A peak fitted to the spectrum of a channel at the best hypothesis.

    Attributes
    ----------
    channel : str
        Name of the channel.
    efficiency : float
        The selection.
    resonance : Resonance
        Mass, width and number of events after the selection.
    spectrum : SpectrumFit or None
        The spectrum with its sideband fit; None where Minuit did not converge.
    """

    channel: str
    efficiency: float
    resonance: Resonance
    spectrum: SpectrumFit | None


@dataclass(frozen=True)
class CombinedResult(Printed, Record):
    """Result of a search in several channels; printed, it is a table with one line a mass.

    Attributes
    ----------
    channels : tuple of ChannelSummary
        Each channel on its own.
    hypotheses : tuple of Hypothesis
        The scan of the resonance mass.
    best : int or None
        Index of the hypothesis with the smallest local p-value; None where no channel has a fit
        that may be quoted.
    peaks : tuple of ChannelPeak
        Of the channels that have a point at the best hypothesis.
    global_p : GlobalP or None
        Global p-value of the best hypothesis, over hypotheses, selections and channels.
    flags : tuple of str
        What a reader must know, those of the channels included; empty when all is well.
    """

    channels: tuple[ChannelSummary, ...]
    hypotheses: tuple[Hypothesis, ...]
    best: int | None
    peaks: tuple[ChannelPeak, ...]
    global_p: GlobalP | None
    flags: tuple[str, ...]

    def table(self) -> Table:
        """Return one line a mass, with the most significant selection of each channel."""
        rows = [
            (
                f"{row.low:.0f}-{row.high:.0f}",
                *map(_cell, row.channels, row.searched),
                probability(row.p_local),
                f"{row.z_local:.1f}σ",
            )
            for row in self.hypotheses
        ]
        bold: dict[int, Style] = {} if self.best is None else {self.best: "bold"}
        names = (channel.name for channel in self.channels)
        return Table(
            "one resonance in all channels",
            ("window [GeV]", *names, "p local", "z local"),
            tuple(rows),
            bold,
            notes=(*self._sentences(), *self.flags),
        )

    def _sentences(self) -> tuple[str, ...]:
        """Return local and global significances in words: each channel alone, then all together."""
        if self.best is None or self.global_p is None:
            return ("no channel has a fit that may be quoted: there is no result",)
        best = self.hypotheses[self.best]
        return (
            *(
                f"{one.name} alone: "
                + significances(one.z_local, one.global_p.z_global, is_limit=one.global_p.is_limit)
                for one in self.channels
                if one.global_p is not None
            ),
            f"combination at {best.mass:.0f} GeV: "
            + significances(best.z_local, self.global_p.z_global, is_limit=self.global_p.is_limit),
        )


def _cell(row: SelectionResult | None, searched: bool) -> str:  # noqa: FBT001 - for map
    """Return what a channel has at one mass in words."""
    if not searched:
        return "not searched"
    if row is None:
        return "flagged"
    counts = f"{selection_name(row.efficiency)}: {row.observed} for {row.expected:.1f}"
    return f"{counts}, {row.z_local:.1f}σ"
