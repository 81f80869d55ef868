"""Signal models that limits are set on: their events, and the window where each is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core import ConfigError, InputError
from ...ml import Sample
from ..config.limits import LimitsConfig, SignalConfig
from ..stages.before_training import refuse_learnt, refuse_searched
from ..stages.inputs.event_files import column_paths
from ..stages.run import Run
from ..stages.samples import load_signal, signal_total

__all__ = [
    "SignalModel",
    "accepted_flags",
    "few_accepted",
    "read_signal_models",
    "refuse_too_few_generated",
]

_FEWEST = 20  # signal events in the signal region, of which half are kept back to measure with
_FEW_ACCEPTED = 1e-3  # of the generated events, which hardly any signal has
_ROUNDED = 1e-6  # sums of weights are


@dataclass(frozen=True)
class SignalModel:
    """A signal model and where it is looked for.

    Attributes
    ----------
    name : str
        Of the model.
    config : SignalConfig
        What the configuration says of it.
    files : tuple of str
        Its columns.
    sample : Sample
        Its events, at all masses.
    total : float
        Events in the files, or the sum of their weights.
    window : int
        The window with the largest share of its events.
    share : float
        That share.
    whole : float, optional
        Events in the files, or the sum of their weights, outside the region of the search as well.
    """

    name: str
    config: SignalConfig
    files: tuple[str, ...]
    sample: Sample
    total: float
    window: int
    share: float
    whole: float | None = None

    @property
    def generated(self) -> float:
        """Events before any cut, or their sum of weights, by default all those in the files."""
        return self.config.generated or self.whole or self.total

    def per_event(self, luminosity: float | None) -> float | None:
        """Return the cross section (fb) of one event in the files; None without luminosity (1/fb).

        Examples
        --------
        >>> none = Sample.from_arrays([3000.0], [[0.0]], ["tau21"])
        >>> SignalModel("A", SignalConfig(files="a"), ("a",), none, 50.0, 0, 1.0).per_event(10.0)
        0.1
        """
        if luminosity is None:
            return None
        return self.generated / self.total / luminosity


def accepted_flags(
    signals: Sequence[SignalModel], luminosity: float | None = None
) -> tuple[str, ...]:
    """Say which signals have hardly any of their generated events in their files, or do not tell.

    Without a luminosity (1/fb) there are no cross sections, for which it matters.
    """
    flags = []
    for signal in signals:
        key, held = f"limits.signals.{signal.name}", signal.whole or signal.total
        flags += few_accepted(key, signal.generated, held)
        if luminosity is not None and signal.config.generated is None:
            flags.append(
                f"{key}: without 'generated' its cross sections are those of the {held:g} events in its "
                "files, and too small where a cut has left out others"
            )
    return tuple(flags)


def few_accepted(key: str, generated: float | None, held: float) -> tuple[str, ...]:
    """Return a flag where files hold hardly any of the generated events.

    Examples
    --------
    >>> len(few_accepted("signals.vll", 1e6, 20)), len(few_accepted("signals.vll", 1e4, 20))
    (1, 0)
    """
    if generated is None or held >= _FEW_ACCEPTED * generated:
        return ()
    flag = (
        f"{key}: its files hold {held / generated:.1g} of what was generated ({key}.generated: "
        f"{generated:g}); is that a number of events, where the files have weights of another sum?"
    )
    return (flag,)


def refuse_too_few_generated(key: str, generated: float | None, held: float) -> None:
    """Refuse fewer generated events than there are: limits would be too strong by the ratio.

    Examples
    --------
    >>> refuse_too_few_generated("signals.vll", 5, 2000)
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: signals.vll.generated is 5, but the files hold 2000 events...
    """
    if generated is not None and generated < (1 - _ROUNDED) * held:
        msg = (
            f"{key}.generated is {generated:g}, but the files hold {held:g} "
            "events (or sum of weights) of it: give the number before any cut, or leave it out where "
            "nothing was cut"
        )
        raise ConfigError(msg)


def read_signal_models(run: Run, limits: LimitsConfig) -> list[SignalModel]:
    """Read the signals, and find for each the window with the largest share of its events.

    Raises
    ------
    InputError
        If files or columns cannot be used, hold events that are searched, hardly an event lies in a
        window, or fewer events were generated than the files hold.
    ConfigError
        If a resonance lies outside the scan, or the method has learnt from one of the files.
    """
    found = []
    for name, signal in limits.signals.items():
        files = tuple(column_paths(signal.files))
        refuse_learnt(run.method, f"limits.signals.{name}", files)
        sample, scan = load_signal(run, files, weights="thinned"), run.config.scan
        if signal.mass is not None and not scan.low <= signal.mass < scan.high:
            msg = (
                f"limits.signals.{name}.mass: {signal.mass:g} GeV is not in the scan, from {scan.low:g} to "
                f"{scan.high:g} GeV; give the mass of the resonance, or leave it out"
            )
            raise ConfigError(msg)
        if not any(window.signal(sample.mass).any() for window in run.all_windows):
            msg = (
                f"limits.signals.{name}: none of {len(sample)} events lies in a signal region of "
                f"the scan ({scan.low:g}-{scan.high:g} GeV)"
            )
            raise InputError(msg)
        inside = [np.mean(window.signal(sample.mass)) for window in run.windows]
        window = int(np.argmax(inside))
        number = round(inside[window] * len(sample))
        if number < _FEWEST:
            thin = "".join(f"; {each}" for each in run.left_out[:1])
            msg = (
                f"limits.signals.{name}: {number} of {len(sample)} events lie in the signal region "
                f"of its window, too few to measure an efficiency; give files with {_FEWEST} there "
                f"at least{thin}"
            )
            raise InputError(msg)
        refuse_searched(run, sample, f"limits.signals.{name}")
        total, whole = signal_total(run, files), signal_total(run, files, everywhere=True)
        refuse_too_few_generated(f"limits.signals.{name}", signal.generated, whole)
        share = float(inside[window])
        found.append(SignalModel(name, signal, files, sample, total, window, share, whole))
    return found
