r"""The key of a sealed box: its truth, and the commitment that proves it was not changed later.

The box holds :math:`\mathrm{SHA256}(\text{key})` of the canonical JSON of its key. The key holds a
random salt of 256 bits: without it, whoever guesses the truth (there are few masses and numbers to
try) could compare hashes and know. With it the commitment hides the key, and binds whoever made
it: another key with the same hash cannot be found (G. Brassard, D. Chaum and C. Crépeau, J.
Comput. Syst. Sci. 37 (1988) 156).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ...core import InputError, Record
from ...simulation import DaughterFacts, ProcessFacts

__all__ = ["Key", "Secret", "Truth", "commitment_of", "read_key", "write_secretly"]

_DOMAIN = b"overdensity challenge key, schema 1\n"  # a hash of it is no hash of anything else
_BITS = 128  # of the seed
_SALT_BYTES = 32


@dataclass(frozen=True)
class Secret(Record):
    """What nobody may know before a box is opened.

    Attributes
    ----------
    seed : int
        Events, and the order of signal and background among them, follow from it.
    salt : str
        Hexadecimal; it keeps the key from being guessed.
    """

    seed: int
    salt: str

    @classmethod
    def drawn(cls) -> Self:
        """Return a new one from the random numbers of the operating system."""
        return cls(secrets.randbits(_BITS), secrets.token_hex(_SALT_BYTES))


@dataclass(frozen=True)
class Truth:
    """What an answer is compared with.

    Attributes
    ----------
    n_signal : int
        Signal events in the box; 0 where there is no signal.
    resonance_mass : float or None
        In GeV.
    heavier, lighter : DaughterFacts or None
        What the most frequent signal decays to; None where that is no massive particle.
    decays : tuple of str
        Of all signals, in words.
    """

    n_signal: int
    resonance_mass: float | None
    heavier: DaughterFacts | None
    lighter: DaughterFacts | None
    decays: tuple[str, ...]

    @property
    def signal(self) -> bool:
        """Whether there is one."""
        return self.n_signal > 0


@dataclass(frozen=True)
class Key(Record):
    """All that is hidden of a box.

    Attributes
    ----------
    box : str
        Name of the box.
    secret : Secret
        Seed and salt.
    recipe : dict
        The recipe, from which the same box can be made again with the seed.
    processes : tuple of ProcessFacts
        What is in the box: numbers of events, masses, decays.
    n_events : int
        All of them.
    signal_rows : tuple of int
        Rows of the box that are signal, counted from 0.
    events_sha256 : str
        Of the events in the box, row by row.
    versions : dict of str to str
        Of what made it.
    """

    box: str
    secret: Secret
    recipe: dict[str, Any]
    processes: tuple[ProcessFacts, ...]
    n_events: int
    signal_rows: tuple[int, ...]
    events_sha256: str
    versions: dict[str, str]

    @property
    def commitment(self) -> str:
        """What the box holds of the key."""
        return commitment_of(self.to_dict())

    @property
    def truth(self) -> Truth:
        """What an answer is compared with."""
        signals = [each for each in self.processes if each.signal and each.events]
        if not signals:
            return Truth(0, None, None, None, ())
        main = max(signals, key=lambda each: each.events)
        massive = sorted(
            (each for each in main.daughters if each.mass > 0), key=lambda each: -each.mass
        )
        heavier, lighter = [*massive, None, None][:2]
        return Truth(
            n_signal=sum(each.events for each in signals),
            resonance_mass=main.resonance_mass,
            heavier=heavier,
            lighter=lighter,
            decays=tuple(each.decay for each in signals),
        )


def commitment_of(values: dict[str, Any]) -> str:
    """Return the SHA-256 of a key, in one spelling of its JSON: sorted, without spaces.

    Examples
    --------
    >>> commitment_of({"b": 1, "a": 2}) == commitment_of({"a": 2, "b": 1})
    True
    """
    text = json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(_DOMAIN + text.encode()).hexdigest()


def read_key(path: Path) -> Key:
    """Read a key.

    Raises
    ------
    InputError
        If the file is missing or holds something else.
    """
    try:
        return Key.from_json(path)
    except InputError as error:  # a key must not be deleted, whatever is wrong with it
        raise InputError(error.problem, remedy="give the key of a box") from None


def write_secretly(record: Record, path: Path) -> Path:
    """Write a record to a new file that only its owner can read.

    Raises
    ------
    FileExistsError
        If there is a file of that name.
    """
    text = json.dumps(record.to_dict(), indent=2, allow_nan=False) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path
