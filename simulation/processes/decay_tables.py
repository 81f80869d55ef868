"""New particles by a text in the SUSY Les Houches Accord: masses, and what they decay to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ...core import InputError

__all__ = ["DecayTables", "read_decay_tables"]

_ROUNDED = 1e-3  # of the sum of branching ratios


@dataclass(frozen=True)
class DecayTables:
    """What a text in the SUSY Les Houches Accord says of masses and decays.

    Attributes
    ----------
    masses : dict of int to float
        By the PDG codes of the particles, GeV.
    decays : dict of int to dict of tuple of int to float
        Branching ratios of each particle by the codes of the products.
    """

    masses: dict[int, float] = field(default_factory=dict)
    decays: dict[int, dict[tuple[int, ...], float]] = field(default_factory=dict)


def read_decay_tables(text: str) -> DecayTables:
    r"""Read ``BLOCK MASS`` and the ``DECAY`` tables (hep-ph/0311123); other blocks are Pythia's to read.

    Parameters
    ----------
    text : str
        As in a file; what follows a ``#`` is a comment. Empty: no particle.

    Raises
    ------
    InputError
        If a line cannot be read, or branching ratios of a particle do not sum to 1.

    Examples
    --------
    >>> tables = read_decay_tables("DECAY 9900040 0.1\n 0.75 2 11 -11\n 0.25 2 13 -13")
    >>> tables.decays[9900040][13, -13]
    0.25
    """
    tables = DecayTables()
    block, mother = "", 0
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            match words[0].upper():
                case "BLOCK":
                    block = words[1].upper()
                case "DECAY":
                    block, mother = "DECAY", int(words[1])
                    tables.decays[mother] = {}
                    _positive(words[2])
                case _ if block == "MASS":
                    tables.masses[int(words[0])] = _positive(words[1])
                case _ if block == "DECAY":
                    ratio, products = _channel(words)
                    tables.decays[mother][products] = ratio
        except (ValueError, IndexError):
            msg = (
                f"slha: the line {line.strip()!r} cannot be read; masses are 'CODE GeV', decays "
                "'DECAY CODE WIDTH' and below them 'RATIO NUMBER CODE CODE', none of them zero"
            )
            raise InputError(msg) from None
    for each, decays in tables.decays.items():
        total = math.fsum(decays.values())
        if abs(total - 1) > _ROUNDED:
            msg = f"slha: the branching ratios of {each} sum to {total:g}; they have to sum to 1"
            raise InputError(msg)
    return tables


def _channel(words: list[str]) -> tuple[float, tuple[int, ...]]:
    """Return the branching ratio and the products of a line."""
    products = tuple(int(each) for each in words[2:])
    if len(products) != int(words[1]):
        raise ValueError
    return _positive(words[0]), products


def _positive(word: str) -> float:
    value = float(word)
    if not (math.isfinite(value) and value > 0):
        raise ValueError
    return value
