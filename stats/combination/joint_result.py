"""What a search in several channels hands over: plain records, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Record
from ..search.pseudo_experiments import GlobalP
from ..spectra.resonance import Resonance
from ..spectra.spectrum import SpectrumFit

__all__ = ["ChannelPeak", "ChannelPoint", "ChannelSummary", "CombinedResult", "Hypothesis"]


@dataclass(frozen=True)
class ChannelPoint(Record):
    """The most significant selection of a channel at one mass hypothesis.

    Attributes
    ----------
    efficiency : float
        The selection; 1 is none.
    observed : int
        Events in the signal region.
    expected, expected_error : float
        Background there from the sideband fit; the error is that of the fit.
    spurious : float
        Standard deviation of the signal that the function fabricates, events.
    p_local, z_local : float
        Local p-value and significance of this selection.
    """

    efficiency: float
    observed: int
    expected: float
    expected_error: float | None
    spurious: float
    p_local: float
    z_local: float


@dataclass(frozen=True)
class Hypothesis(Record):
    """One resonance mass, in all channels.

    Attributes
    ----------
    mass, low, high : float
        Geometric centre and edges of the signal region, GeV.
    channels : tuple of ChannelPoint or None
        In the order of the channels; None where no fit may be quoted.
    statistic : float
        Sum over the channels of max(z, 0)² (`joint_statistic`).
    p_local, z_local : float
        Probability of so large a statistic at this mass without signal, choice of the selections
        included; one-sided significance.
    extrapolated : bool
        Fewer than ten pseudo-experiments came up to the data at this mass: p_local rests on the
        normal tails of the channels.
    """

    mass: float
    low: float
    high: float
    channels: tuple[ChannelPoint | None, ...]
    statistic: float
    p_local: float
    z_local: float
    extrapolated: bool


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
class CombinedResult(Record):
    """Result of a search in several channels.

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
