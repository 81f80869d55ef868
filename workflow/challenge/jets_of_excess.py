"""The two jets of an excess: masses and prongs of the lighter and the heavier one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom, norm

from ...core import InputError, Record
from ...ml.blocks.reading import ColumnFiles
from ...stats.signal.daughters import DaughterMass, daughter_mass
from ...stats.signal.prongs import Prongs, count_prongs
from ..stages.run import Run
from ..stages.samples import load_sample
from ..stages.scores import read_scores
from ..stages.search_result import BestResult, SearchResults
from ..stages.selecting import calibrated_scores, levels_of

__all__ = ["JetOfExcess", "JetSpectrum", "JetsOfExcess", "has_a_peak", "jets_of_excess"]

Array = NDArray[np.float64]

_MASSES = ("j1_mass", "j2_mass")
_TAUS = ("j1_tau21", "j2_tau21", "j1_tau32", "j2_tau32")
_SCALE_GEV, _SCALE = 5.0, 0.02  # how far a jet mass lies from that of its particle
_WINDOW = 2.0  # widths of a peak on both sides, in which prongs are counted
_PEAK = 1.5  # widths on both sides, in which a peak must stand out
_STANDS_OUT = 4.0  # standard deviations; of a position that was chosen
_BINS = 40
_FEWEST_BESIDE = 50  # events that show how selected background looks


@dataclass(frozen=True)
class JetSpectrum(Record):
    """Masses of one jet of the selected events of the signal region, and what is expected.

    Attributes
    ----------
    edges : tuple of float
        Of the bins, GeV.
    observed : tuple of int
        Events of the signal region.
    expected : tuple of float
        Those of the sidebands with the same selection, scaled to the background expected.
    """

    edges: tuple[float, ...]
    observed: tuple[int, ...]
    expected: tuple[float, ...]


@dataclass(frozen=True)
class JetOfExcess(Record):
    """One of both jets.

    Attributes
    ----------
    peak : DaughterMass
        Where the excess peaks; its error is statistical.
    mass_error : float or None
        Error of the mass of what decays, GeV, with that of the jet's mass scale.
    prongs : Prongs or None
        From all events of the signal region in windows around the peaks; None without a peak or
        without N-subjettiness.
    spectrum : JetSpectrum
        To be drawn.
    """

    peak: DaughterMass
    mass_error: float | None
    prongs: Prongs | None
    spectrum: JetSpectrum


@dataclass(frozen=True)
class JetsOfExcess(Record):
    """Both jets of the excess, and what a reader must know of them."""

    heavier: JetOfExcess | None
    lighter: JetOfExcess | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Events:
    """Events of the scan with both jets, the heavier first.

    Attributes
    ----------
    mass : ndarray of shape (2, n_events)
        Of the jets, GeV.
    taus : ndarray of shape (2, n_events, 2), or None
        τ21 and τ32 of the jets.
    inside, beside : ndarray of bool, shape (n_events,)
        In the signal region; in its sidebands.
    elsewhere : ndarray of bool, shape (n_events,)
        Anywhere outside the signal region.
    levels : ndarray of int8, shape (n_events,)
        Selections passed.
    """

    mass: Array
    taus: NDArray[np.float64] | None
    inside: NDArray[np.bool_]
    beside: NDArray[np.bool_]
    elsewhere: NDArray[np.bool_]
    levels: NDArray[np.int8]

    def like_selected(self, level: int) -> NDArray[np.bool_]:
        """Return the events that show the masses of selected background, shape (n_events,).

        They are in the sidebands with the same selection; where these are few, anywhere outside the
        signal region, and then with a looser selection.
        """
        for loosest in range(level, -1, -1):
            for where in (self.beside, self.elsewhere):
                found = where & (self.levels >= loosest)
                if np.count_nonzero(found) >= _FEWEST_BESIDE:
                    return found
        return self.elsewhere


def jets_of_excess(run: Run, results: SearchResults, best: BestResult) -> JetsOfExcess:
    """Subtract the sidebands from the selected events of the best window, in both jet masses.

    Each event has a heavier and a lighter jet, whatever their momenta. Masses are of the selected
    events, whose background has the shape of the sidebands with the same selection and the number
    that the fit of the resonant mass expects. Prongs are of all events in windows around the
    peaks: the selection may have seen N-subjettiness.

    Parameters
    ----------
    run : Run
        The search, in the partition that its results are of.
    results : SearchResults
        What it found.
    best : BestResult
        Where.

    Raises
    ------
    InputError
        If columns or scores are missing.
    """
    names = ColumnFiles.open(run.columns, features=(), mass=run.config.mass).files[0][1]
    present = names.schema_arrow.names
    if missing := [name for name in _MASSES if name not in present]:
        note = f"masses of daughters are not measured: the columns have no {' and '.join(missing)}"
        return JetsOfExcess(None, None, (note,))
    notes = [_SCALE_NOTE]
    has_taus = all(name in present for name in _TAUS)
    if not has_taus:
        notes.append(f"prongs are not counted: the columns have not all of {', '.join(_TAUS)}")
    events = _read(run, best, has_taus=has_taus)
    level = run.config.spectra.index(best.efficiency)
    row = results.windows[best.window].rows[level]
    selected = events.inside & (events.levels >= level)
    groups = events.mass[:, selected], events.mass[:, events.like_selected(level)]
    candidates = [
        daughter_mass(inside, outside, row.expected, name=name, seed=run.config.seed)
        for name, inside, outside in zip(("heavier jet", "lighter jet"), *groups, strict=True)
    ]
    peaks = _standing_out(events, candidates, groups)
    unselected = results.windows[best.window].unselected.expected
    transfer = unselected / max(np.count_nonzero(events.beside), 1)
    prongs = _prongs(events, peaks, transfer, seed=run.config.seed)
    spectra = [_spectrum(*pair, row.expected) for pair in zip(*groups, strict=True)]
    notes += [
        f"{peak.name}: no peak stands out in the mass of the excess"
        for peak in peaks
        if peak.mass is None
    ]
    heavier, lighter = (
        JetOfExcess(peak, _with_scale(peak), number, spectrum)
        for peak, number, spectrum in zip(peaks, prongs, spectra, strict=True)
    )
    return JetsOfExcess(heavier, lighter, tuple(notes))


_SCALE_NOTE = (
    f"errors of the daughters' masses include {_SCALE_GEV:.0f} GeV and {100 * _SCALE:.0f} % for the "
    "mass scale of jets, which gather radiation that the daughters did not send out"
)


def has_a_peak(inside: Array, beside: Array, mass: float, width: float) -> bool:
    """Return whether more events lie around a peak than if the excess looked like background.

    Fisher's exact test of events inside and outside the signal region, around the peak and not.

    Parameters
    ----------
    inside, beside : ndarray of shape (n_events,)
        Jet masses of events in the signal region and beside it, GeV.
    mass, width : float
        Of the peak, GeV.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> qcd = rng.gamma(3, 60, 1500)
    >>> has_a_peak(np.r_[qcd[:300], rng.normal(500, 20, 60)], qcd[300:], 500.0, 20.0)
    True
    >>> has_a_peak(qcd[:300], qcd[300:], 200.0, 40.0)
    False
    """
    in_window = [np.count_nonzero(abs(x - mass) < _PEAK * width) for x in (inside, beside)]
    n, m = len(inside), len(beside)
    return bool(hypergeom.sf(in_window[0] - 1, n + m, sum(in_window), n) < norm.sf(_STANDS_OUT))


def _standing_out(
    events: _Events, candidates: list[DaughterMass], groups: tuple[Array, Array]
) -> list[DaughterMass]:
    """Return the peaks; the mass is None of one that does not stand out.

    It may stand out among the selected events, whose background a score has made like the signal;
    or among those around the peak of the other jet, or all events, which no score has chosen.
    """
    found = []
    for jet, (peak, other) in enumerate(zip(candidates, candidates[::-1], strict=True)):
        if peak.mass is None or peak.width is None:
            found.append(peak)
            continue
        mass, near = events.mass[jet], _near(events.mass[1 - jet], other)
        samples = (
            (groups[0][jet], groups[1][jet]),
            (mass[near & events.inside], mass[near & events.beside]),
            (mass[events.inside], mass[events.beside]),
        )
        if any(has_a_peak(*sample, peak.mass, peak.width) for sample in samples):
            found.append(peak)
        else:
            found.append(replace(peak, mass=None, mass_error=None, width=None))
    return found


def _near(mass: Array, peak: DaughterMass) -> NDArray[np.bool_]:
    """Return which masses lie around a peak; all where there is none."""
    if peak.mass is None or peak.width is None:
        return np.ones(len(mass), dtype=bool)
    return abs(mass - peak.mass) < _WINDOW * peak.width


def _with_scale(peak: DaughterMass) -> float | None:
    """Return the error of a mass with that of the scale of jet masses."""
    if peak.mass is None or peak.mass_error is None:
        return None
    return float(np.linalg.norm([peak.mass_error, _SCALE_GEV, _SCALE * peak.mass]))


def _prongs(
    events: _Events, peaks: list[DaughterMass], transfer: float, *, seed: int
) -> list[Prongs | None]:
    """Count prongs in windows around the peaks that there are; of a jet without one, None."""
    taus = events.taus
    if taus is None:
        return [None, None]
    windows = [_near(mass, peak) for mass, peak in zip(events.mass, peaks, strict=True)]
    both = np.all(windows, axis=0)
    return [
        None
        if peak.mass is None
        else count_prongs(
            of_jet[both & events.inside],
            of_jet[both & events.beside],
            of_jet[window & events.beside],
            transfer=transfer,
            seed=seed,
        )
        for peak, of_jet, window in zip(peaks, taus, windows, strict=True)
    ]


def _read(run: Run, best: BestResult, *, has_taus: bool) -> _Events:
    """Read the events of the scan, and which of them are selected in the best window."""
    sample = load_sample(run, features=(*_MASSES, *(_TAUS if has_taus else ())))
    scores = read_scores(run)
    if not np.array_equal(sample.event, scores.sample.event):
        msg = (
            f"{run.columns[0]}: its events are not those of the scores; run 'overdensity run' again"
        )
        raise InputError(msg)
    levels = levels_of(run, calibrated_scores(run, scores))[:, best.window]
    columns = dict(zip(sample.names, sample.features.T.astype(float), strict=True))
    heavy_first = columns["j1_mass"] >= columns["j2_mass"]

    def pair(name: str) -> Array:
        first, second = columns[f"j1_{name}"], columns[f"j2_{name}"]
        return np.where(heavy_first, [first, second], [second, first])

    window, mass = run.windows[best.window], sample.mass
    inside = (mass >= window.low) & (mass < window.high)
    near = (mass >= window.sideband_low) & (mass < window.sideband_high)
    return _Events(
        mass=pair("mass"),
        taus=np.stack([pair("tau21"), pair("tau32")], axis=-1) if has_taus else None,
        inside=inside,
        beside=near & ~inside,
        elsewhere=~inside,
        levels=levels,
    )


def _spectrum(inside: Array, beside: Array, expected: float) -> JetSpectrum:
    """Return the histograms of a jet mass in the signal region and of what is expected there."""
    highest = float(np.quantile(np.r_[inside, beside, 1.0], 0.99))
    edges = np.linspace(0.0, 1.1 * highest, _BINS + 1)
    observed, _ = np.histogram(inside, edges)
    shape, _ = np.histogram(beside, edges)
    scaled = shape * expected / max(len(beside), 1)
    return JetSpectrum(*(tuple(x.tolist()) for x in (edges, observed, scaled)))
