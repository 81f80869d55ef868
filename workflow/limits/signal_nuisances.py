"""Uncertainties of a signal model as nuisances of its limits, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...stats.limits.signal_factors import SignalFactor
from ...stats.uncertainties.nuisances import SignalErrors, moved_masses
from ..stages.inputs.event_files import varied_columns
from ..stages.run import Run
from ..stages.samples import load_signal
from .signal_models import SignalModel

__all__ = ["nuisances_of"]


def nuisances_of(run: Run, signal: SignalModel) -> tuple[SignalFactor, ...]:
    """Return the nuisances of a signal model in the window where it is looked for.

    The luminosity is one where limits are cross sections. Position, width and varied columns change
    the share of the signal in the signal region: what is seen of them without scoring anew.

    Parameters
    ----------
    run : Run
        The search, with its sections ``uncertainties`` and ``limits``.
    signal : SignalModel
        The signal.

    Returns
    -------
    tuple of SignalFactor
        All but the efficiency of the tagger change how much signal a training sees.

    Raises
    ------
    InputError
        If the signal has no varied columns, or a variation has no event in the signal region.
    """
    errors, window = run.config.uncertainties, run.windows[signal.window]
    in_fb = run.config.limits is not None and run.config.limits.luminosity is not None
    found = []
    if in_fb and errors.luminosity > 0:
        more = 1 + errors.luminosity
        found.append(SignalFactor("luminosity", more, 1 / more))
    if errors.tagger > 0:
        more = 1 + errors.tagger
        found.append(SignalFactor("tagger", more, 1 / more, trained=False))

    def share(mass: NDArray) -> float:
        return float(np.count_nonzero(window.signal(mass)) / len(signal.sample))

    moved = moved_masses(
        signal.sample.mass, SignalErrors(position=errors.position, width=errors.width)
    )
    shares = {name: [share(mass) for mass in both] for name, both in moved.items()}
    for name in errors.variations:
        varied = (
            load_signal(run, varied_columns(signal.files, f"{name}_{sign}"), weights="thinned")
            for sign in ("up", "down")
        )
        shares[name] = [share(each.mass) for each in varied]
    for name, (up, down) in shares.items():
        if min(up, down) <= 0:
            msg = (
                f"limits.signals.{signal.name}: varied by {name!r}, no event lies in the signal "
                f"region {window.low:.0f}-{window.high:.0f} GeV; is the uncertainty right?"
            )
            raise InputError(msg)
        found.append(SignalFactor(name, up / signal.share, down / signal.share))
    return tuple(found)
