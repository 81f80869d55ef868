"""A likelihood of all bins as a datacard of combine, with its histograms in a ROOT file.

For CMS' combine (arXiv:2404.06614): a channel for each category, one process for each bin of the
background, whose ``lnN`` effects are then the powers of factors of `shape`; sizes without
constraint are a ``rateParam``.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import uproot
from numpy.typing import NDArray

from ...core.records import atomic_file, write_text_atomic
from .categories import FAILING, UNSEEN, Categories
from .pieces import LEAST
from .shape import Factors, factors_of

__all__ = ["write_datacard"]

Array = NDArray[np.float64]

_RULE = "-" * 80


def write_datacard(known: Categories, path: str | PathLike[str]) -> Path:
    """Write a datacard, and its histograms beside it in the file of the same name and ``.root``.

    Parameters
    ----------
    known : Categories
        The likelihood.
    path : path-like
        The datacard, ``….txt``.

    Returns
    -------
    Path
        The datacard.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.workspaces.categories import categories
    >>> counts, peak = np.round(5000 * 0.7 ** np.arange(16)), np.exp(-(np.arange(-6.0, 10) ** 2))
    >>> alone = categories(log_edges(2632, 6000, 16), counts, None, signal=9 * peak,
    ...                    model=FitModel("dijet3"))
    >>> with TemporaryDirectory() as folder:
    ...     text = write_datacard(alone, f"{folder}/datacard.txt").read_text()
    >>> next(line for line in text.splitlines() if line.startswith("shapes"))
    'shapes * * datacard.root $CHANNEL/$PROCESS $CHANNEL/$PROCESS_$SYSTEMATIC'
    """
    card = Path(path)
    found, shapes = factors_of(known), card.with_suffix(".root")
    with atomic_file(shapes) as written, uproot.recreate(written) as file:
        for name, events in _histograms(known, found).items():
            file[name] = (events, known.edges)
    return write_text_atomic(card, _text(known, found, shapes.name))


def _processes(known: Categories, found: Factors) -> list[tuple[int, str, Array, int | None]]:
    """Return category, name, events and, of background, bin of each process; the signal first."""
    rows = []
    for c, category in enumerate(known.categories):
        if known.signal[c].any():
            rows.append((c, "signal", known.signal[c], None))
        if known.unseen is not None and category == FAILING:
            rows.append((c, UNSEEN, known.unseen, None))
        for i, events in enumerate(found.background[c]):
            alone = np.zeros(found.background.shape[1])
            alone[i] = events
            rows.append((c, _background(i), alone, i))
    return rows


def _histograms(known: Categories, found: Factors) -> dict[str, Array]:
    """Return all histograms by their place in the file."""
    observed = known.observed.reshape(found.background.shape)
    filled = {}
    for c, category in enumerate(known.categories):
        filled[f"{category}/data_obs"] = observed[c]
    for c, process, events, _ in _processes(known, found):
        filled[f"{known.categories[c]}/{process}"] = events
        if process != "signal":
            continue
        for name, variation in known.variations.items():
            if known.scales[name] is None:
                for sign, varied in (("Up", variation.up), ("Down", variation.down)):
                    filled[f"{known.categories[c]}/signal_{name}{sign}"] = np.maximum(
                        varied[c], LEAST
                    )
    return filled


def _text(known: Categories, found: Factors, shapes: str) -> str:
    """Return the datacard."""
    processes = _processes(known, found)
    names = list(dict.fromkeys(name for _, name, *_ in processes))
    observed = known.observed.reshape(found.background.shape).sum(axis=1)
    lines = [
        f"# background {known.function}, {known.edges[0]:g}-{known.edges[-1]:g} GeV; one process a bin",
        f"imax {len(known.categories)} number of channels",
        "jmax * number of processes minus 1",
        "kmax * number of nuisance parameters",
        _RULE,
        f"shapes * * {shapes} $CHANNEL/$PROCESS $CHANNEL/$PROCESS_$SYSTEMATIC",
        _RULE,
        _row("bin", known.categories),
        _row("observation", [f"{n:.0f}" for n in observed]),
        _RULE,
        _row("bin", [known.categories[c] for c, *_ in processes]),
        _row("process", [name for _, name, *_ in processes]),
        _row("process", [str(names.index(name)) for _, name, *_ in processes]),
        _row("rate", [f"{events.sum():.9g}" for _, _, events, _ in processes]),
        _RULE,
        *_effects(known, found, processes),
    ]
    for name, acts in found.free.items():
        lines += [
            f"{name} rateParam {known.categories[c]} {process} 1 [0.001,1000]"
            for c, process, _, place in processes
            if acts[c] and place is not None
        ]
    if known.unseen is not None:
        lines.append(f"{UNSEEN} rateParam {FAILING} {UNSEEN} 0 [0,1000]")
    return "\n".join(lines) + "\n"


def _effects(
    known: Categories, found: Factors, processes: list[tuple[int, str, Array, int | None]]
) -> list[str]:
    """Return the lines of the constrained nuisance parameters."""
    lines = []
    for name, factors in known.scales.items():
        cells = [
            "-"
            if process != "signal"
            else "1"
            if factors is None
            else f"{factors[c][1]:.9g}/{factors[c][0]:.9g}"
            for c, process, *_ in processes
        ]
        lines.append(_row(f"{name} {'shape' if factors is None else 'lnN'}", cells))
    for name, log in found.log.items():
        cells = [
            "-" if place is None or not log[c].any() else f"{np.exp(log[c, place]):.9g}"
            for c, _, _, place in processes
        ]
        lines.append(_row(f"{name} lnN", cells))
    return lines


def _background(index: int) -> str:
    return f"background_{index:02d}"


def _row(name: str, cells: list[str] | tuple[str, ...]) -> str:
    return " ".join([name, *cells])
