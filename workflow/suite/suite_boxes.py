"""Sealed boxes of columns: drawn from simulated pools, mixed, scaled and smeared by secret numbers.

What a box is made of follows from a secret alone, not from who makes it, in which order, or with how
many workers. All boxes of a suite have the same columns, number of events and attributes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core import InputError, Record, progress
from ...simulation import DaughterFacts, ProcessFacts
from ..challenge.key import Key, Secret, read_key, write_secretly
from ..challenge.sealing import seal_columns, verify_box
from ..challenge.writing import writing_to
from ..stages.inputs.event_files import column_paths
from ..stages.provenance import file_states, stage_key
from .suite_config import BoxesConfig, PoolSignal, SuiteConfig
from .suite_pool import Columns, Pool

__all__ = ["BoxPlan", "SealedSuite", "drawn_box", "make_boxes", "plan_boxes"]

_CORE = 0.68  # of the signal, in the range of the mass that its strength is stated for


@dataclass(frozen=True)
class BoxPlan(Record):
    """The secret parameters of a box.

    Attributes
    ----------
    name : str
        ``box01`` and so on.
    signal : str or None
        Which of the pool; None for a box without.
    strength : float or None
        S/√B before any selection.
    factor : float
        That the energies of the signal are multiplied by.
    n_signal : int
        Signal events.
    backgrounds : dict of str to int
        Events of each.
    """

    name: str
    signal: str | None
    strength: float | None
    factor: float
    n_signal: int
    backgrounds: dict[str, int]


def plan_boxes(config: SuiteConfig, pool: Pool, secret: Secret) -> tuple[BoxPlan, ...]:
    """Draw the parameters of all boxes.

    Raises
    ------
    InputError
        If the pool has too few events for a box.
    """
    boxes = config.boxes
    rng = np.random.default_rng(secret.seed)
    dealt = [boxes.strengths[k % len(boxes.strengths)] for k in range(boxes.number)]
    order = rng.permutation([*dealt, *(0.0 for _ in range(boxes.number))])
    return tuple(
        _plan(config, pool, f"box{number:02d}", float(strength), rng)
        for number, strength in enumerate(order, start=1)
    )


def drawn_box(
    config: SuiteConfig, pool: Pool, plan: BoxPlan, secret: Secret
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Draw the events of a box.

    Parameters
    ----------
    config : SuiteConfig
        The suite.
    pool : Pool
        Where events are drawn from, each once at most.
    plan : BoxPlan
        Parameters of the box.
    secret : Secret
        Of the box.

    Returns
    -------
    pyarrow.Table
        Columns without the truth, in random order.
    ndarray of int64
        Rows that are signal.

    Raises
    ------
    InputError
        If the pool has too few events that pass the cuts.
    """
    rng = np.random.default_rng(secret.seed)
    parts = [
        _drawn(pool, config.boxes, rng, name=name, number=number)
        for name, number in plan.backgrounds.items()
    ]
    if plan.signal is not None:
        parts.append(
            _drawn(
                pool,
                config.boxes,
                rng,
                name=plan.signal,
                number=plan.n_signal,
                factor=plan.factor,
            )
        )
    order = rng.permutation(config.boxes.events)
    names = list(parts[0])
    table = pa.table(
        {name: np.concatenate([part[name] for part in parts])[order] for name in names}
    )
    return table, np.flatnonzero(order >= config.boxes.events - plan.n_signal)


def make_boxes(config: SuiteConfig, pool: Pool) -> dict[str, tuple[BoxPlan, Key]]:
    """Make and seal the boxes that are not there yet; those that are have to be as they were sealed.

    Boxes go to ``boxes/``, keys and the secret of the suite to ``keys/``, which only its owner can
    open.

    Parameters
    ----------
    config : SuiteConfig
        The suite.
    pool : Pool
        Its events.

    Returns
    -------
    dict of str to tuple of BoxPlan and Key
        By the names of the boxes.

    Raises
    ------
    InputError
        If the folder holds boxes of another suite, or the pool has too few events.
    """
    out = config.folder
    secret = _secret_of(config)
    plans = plan_boxes(config, pool, secret)
    with writing_to(out):
        (out / "boxes").mkdir(exist_ok=True)
    found = {}
    with progress("sealing", len(plans), unit="boxes") as advance:
        for plan in plans:
            box, key_file = _files(out, plan.name)
            if not box.is_file():
                _seal(config, pool, plan, secret)
            key = read_key(key_file)
            verify_box(box, key, named=str(key_file))
            found[plan.name] = plan, key
            advance(1)
    return found


def _seal(config: SuiteConfig, pool: Pool, plan: BoxPlan, secret: Secret) -> None:
    """Draw and seal one box."""
    of_box = _secret_of_box(secret, plan.name)
    events, signal_rows = drawn_box(config, pool, plan, of_box)
    recipe = {
        "boxes": config.boxes.model_dump(mode="json"),
        "pool": config.pool.model_dump(mode="json"),
        "plan": plan.to_dict(),
    }
    facts = [
        ProcessFacts(name, signal=False, events=number) for name, number in plan.backgrounds.items()
    ]
    if plan.signal is not None:
        facts.append(_facts(config.pool.signals[plan.signal], plan))
    seal_columns(
        events,
        *_files(config.folder, plan.name),
        secret=of_box,
        recipe=recipe,
        processes=tuple(facts),
        signal_rows=signal_rows,
    )


def _files(out: Path, name: str) -> tuple[Path, Path]:
    """Return where a box and its key are."""
    return out / "boxes" / f"{name}.parquet", out / "keys" / f"{name}.key.json"


@dataclass(frozen=True)
class SealedSuite(Record):
    """What the boxes of a suite are made of, as a hash."""

    key: str


def _secret_of(config: SuiteConfig) -> Secret:
    """Return the secret of the suite, which its folder keeps from the first call on."""
    keys, pool = config.folder / "keys", config.pool
    files = [
        path
        for source in (*pool.backgrounds.values(), *pool.signals.values())
        for path in column_paths(source.files)
    ]
    boxes = config.boxes.model_dump(mode="json")
    sources = pool.model_dump(mode="json")
    made = SealedSuite(stage_key(file_states(files), sources, boxes, config.seed))
    with writing_to(keys):
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept, secret = SealedSuite.earlier(keys / "suite.json"), Secret.earlier(keys / "secret.json")
    if kept == made and secret is not None:
        return secret
    if any((config.folder / "boxes").glob("*.parquet")):
        msg = (
            f"{config.folder}: holds boxes that were sealed with another pool, boxes or seed, or by "
            "another version; give another folder with --out, or delete it"
        )
        raise InputError(msg)
    secret = Secret.drawn()
    if config.seed is not None:
        secret = Secret(config.seed, hashlib.sha256(f"suite {config.seed}".encode()).hexdigest())
    with writing_to(keys):
        made.to_json(keys / "suite.json")
        (keys / "secret.json").unlink(missing_ok=True)
        write_secretly(secret, keys / "secret.json")
    return secret


def _secret_of_box(secret: Secret, name: str) -> Secret:
    """Return a secret that tells nothing of that of another box, or of the suite."""
    seed, salt = (
        hashlib.sha256(f"{what} of {name}: {secret.seed} {secret.salt}".encode()).hexdigest()
        for what in ("seed", "salt")
    )
    return Secret(int(seed[:32], 16), salt)


def _facts(signal: PoolSignal, plan: BoxPlan) -> ProcessFacts:
    """Return the truth of the signal of a box: that of the pool with its masses scaled."""
    daughters = [
        DaughterFacts(each.name, each.mass * plan.factor, each.prongs) for each in signal.daughters
    ]
    return ProcessFacts(
        name=str(plan.signal),
        signal=True,
        events=plan.n_signal,
        resonance_mass=signal.resonance_mass * plan.factor,
        daughters=tuple(sorted(daughters, key=lambda each: -each.mass)),
        decay=signal.decay,
    )


def _plan(
    config: SuiteConfig, pool: Pool, name: str, strength: float, rng: np.random.Generator
) -> BoxPlan:
    """Draw the parameters of one box; the same random numbers are drawn with and without a signal."""
    boxes, names = config.boxes, list(pool.signals)
    signal = names[int(rng.integers(len(names)))]
    mass = config.pool.signals[signal].resonance_mass
    low, high = (mass, mass) if boxes.masses is None else boxes.masses
    factor = float(np.exp(rng.uniform(np.log(low), np.log(high))) / mass)
    shares = rng.dirichlet(np.ones(len(pool.backgrounds)))
    n_signal = _n_signal(config, pool, signal, (factor, strength), shares) if strength else 0
    numbers = np.floor(shares * (boxes.events - n_signal)).astype(int)
    numbers[0] += boxes.events - n_signal - numbers.sum()
    return BoxPlan(
        name=name,
        signal=signal if strength else None,
        strength=strength or None,
        factor=factor if strength else 1.0,
        n_signal=n_signal,
        backgrounds=dict(zip(pool.backgrounds, numbers.tolist(), strict=True)),
    )


def _n_signal(
    config: SuiteConfig,
    pool: Pool,
    signal: str,
    scaled: tuple[float, float],
    shares: NDArray[np.float64],
) -> int:
    """Return the signal events of a box, from the factor of energies and S/√B.

    S and B are those in the narrowest range of the mass that holds 68 % of the signal.
    """
    (factor, strength), events = scaled, config.boxes.events
    masses = np.sort(pool.scaled(pool.signals[signal], (), factor, config.boxes)[pool.mass])
    inside = int(np.ceil(_CORE * len(masses)))
    first = int(np.argmin(masses[inside - 1 :] - masses[: len(masses) - inside + 1]))
    low, high = masses[first], masses[first + inside - 1]
    background = 0.0
    for share, columns in zip(shares, pool.backgrounds.values(), strict=True):
        mass = pool.scaled(columns, (), 1.0, config.boxes)[pool.mass]
        background += events * share * float(np.mean((mass >= low) & (mass <= high)))
    number = round(strength * background**0.5 / _CORE)
    if not 0 < number <= min(events // 2, len(masses)):
        msg = (
            f"boxes.strengths: S/√B = {strength:g} is {number} events of {signal} in a box of {events}, "
            f"of {len(masses)} in the pool; choose strengths, masses or events with 1 to "
            f"{min(events // 2, len(masses))}"
        )
        raise InputError(msg)
    return number


def _drawn(
    pool: Pool,
    boxes: BoxesConfig,
    rng: np.random.Generator,
    *,
    name: str,
    number: int,
    factor: float = 1.0,
) -> Columns:
    """Draw so many events of a source, smeared and scaled, in random order."""
    columns = pool.sources[name]
    order = rng.permutation(pool.events[name])
    shuffled = {column: values[order] for column, values in columns.items()}
    factors = factor * np.exp(boxes.smearing * rng.standard_normal(len(order)))
    passing = pool.scaled(shuffled, tuple(columns), factors, boxes)
    if len(passing[pool.mass]) < number:
        msg = (
            f"pool: {len(passing[pool.mass])} events of {name} can be drawn, and a box needs "
            f"{number}; simulate more, or make smaller boxes"
        )
        raise InputError(msg)
    return {column: passing[column][:number] for column in columns}
