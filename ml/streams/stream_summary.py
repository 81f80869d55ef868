"""What is left of a stream: a density, and counts of the mass, from which events are drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ...core import InputError
from ...core.arrays import read_arrays, within, write_arrays
from ..flows.conditional import ConditionalFlow
from ..sample import Sample
from .mass_counts import MassCounts

__all__ = ["StreamSummary"]

_ROWS = 65_536  # events that are drawn at a time


@dataclass(frozen=True, eq=False)
class StreamSummary:
    """A stream as the density p(x | m) of its features and the counted masses.

    Attributes
    ----------
    names : tuple of str
        Feature columns.
    mass : str
        Name of the resonant mass.
    flow : ConditionalFlow
        The density of the features at a mass.
    masses : MassCounts
        The masses.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from overdensity.ml import OnlineFlow, OnlineHyper
    >>> from overdensity.ml.toy_events import TOY_FEATURES, toy_events
    >>> hyper = OnlineHyper(batch=50, buffer=2, layers=1, width=8)
    >>> online = OnlineFlow(TOY_FEATURES, hyper=hyper, seed=1)
    >>> online.learn(toy_events(120, 0, seed=1))
    >>> with TemporaryDirectory() as folder:
    ...     path = online.summary().save(f"{folder}/summary.npz")
    ...     len(StreamSummary.load(path).sample(seed=1))
    120
    """

    names: tuple[str, ...]
    mass: str
    flow: ConditionalFlow
    masses: MassCounts

    def draws(self, n: int | None = None, *, seed: int) -> Iterator[Sample]:
        """Draw events, some at a time.

        Parameters
        ----------
        n : int or None
            How many; by default as many as the stream had, with its counts of the mass.
        seed : int
            Same seed, same events.
        """
        rng = np.random.default_rng(seed)
        mass = self.masses.draw(n, rng)
        for start in range(0, len(mass), _ROWS):
            part = mass[start : start + _ROWS]
            x = self.flow.sample(part, seed=int(rng.integers(2**63)))
            event = np.arange(start, start + len(part), dtype=np.uint64)
            yield Sample.from_arrays(part, x, self.names, event=event)

    def sample(self, n: int | None = None, *, seed: int) -> Sample:
        """Draw events all at once; see :meth:`draws`."""
        return Sample.concatenated(*self.draws(n, seed=seed))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Store it as npz: the same summary, the same bytes."""
        names = {"names": np.array(self.names, np.str_), "mass": np.array(self.mass)}
        flow = {f"flow.{name}": value for name, value in self.flow.arrays().items()}
        write_arrays(path, **names, masses=self.masses.filled(), **flow)
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "auto") -> Self:
        """Read back what :meth:`save` wrote.

        Raises
        ------
        InputError
            If there is no such file, or it is damaged.
        """
        arrays = read_arrays(path)
        if arrays is None or "masses" not in arrays:
            msg = (
                f"{path}: no summary of a stream, or a damaged one; run 'overdensity stream' again"
            )
            raise InputError(msg)
        try:
            return cls(
                tuple(map(str, arrays["names"])),
                str(arrays["mass"]),
                ConditionalFlow.from_arrays(within(arrays, "flow."), device=device),
                MassCounts.from_filled(arrays["masses"]),
            )
        except (LookupError, TypeError, ValueError, RuntimeError):
            msg = (
                f"{path}: a summary of another version of overdensity; make it again with this one"
            )
            raise InputError(msg) from None
