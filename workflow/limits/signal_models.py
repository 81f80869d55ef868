"""Signal models that limits are set on: their events, and the window where each is looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core import InputError
from ...ml import Sample
from ..config.limits import LimitsConfig, SignalConfig
from ..stages.inputs import column_paths
from ..stages.run import Run
from ..stages.samples import load_signal, signal_total

__all__ = ["SignalModel", "read_signal_models"]

_FEWEST = 20  # signal events in the signal region, of which half are kept back to measure with


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
    """

    name: str
    config: SignalConfig
    files: tuple[str, ...]
    sample: Sample
    total: float
    window: int
    share: float

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
        generated = self.config.generated or self.total
        return generated / self.total / luminosity


def read_signal_models(run: Run, limits: LimitsConfig) -> list[SignalModel]:
    """Read the signals, and find for each the window with the largest share of its events.

    Raises
    ------
    InputError
        If files or columns cannot be used, or hardly an event lies in a window.
    """
    found = []
    for name, signal in limits.signals.items():
        files = tuple(column_paths(signal.files))
        sample = load_signal(run, files, weights="thinned")
        if not any(window.signal(sample.mass).any() for window in run.all_windows):
            msg = (
                f"limits.signals.{name}: none of {len(sample)} events lies in a signal region of "
                f"the scan ({run.config.scan.low:g}-{run.config.scan.high:g} GeV)"
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
        total = signal_total(run, files)
        found.append(SignalModel(name, signal, files, sample, total, window, float(inside[window])))
    return found
