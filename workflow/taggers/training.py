"""From columns of labelled jets to the file of a tagger."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core import ConfigError, InputError
from ...core.files.outputs import refuse_unwritable
from ...core.identity import no_feature
from ...core.progress_bar import progress
from ...ml import Sample, SampleStream, watch
from ...ml.blocks.equal_events import refuse_equal_rows
from ..config.reading import apply_override

if TYPE_CHECKING:
    from ...ml.tagging.tagger import Reached

__all__ = ["labelled_jets", "train_to_file"]


def labelled_jets(files: Sequence[str], columns: Sequence[str], mass: str) -> Sample:
    """Read jets, of which an event may have several.

    Parameters
    ----------
    files : sequence of str
        Parquet files, or folders of them.
    columns : sequence of str
        Of constituents and numbers.
    mass : str
        Any column of numbers in GeV; taggers are not shown it.

    Raises
    ------
    InputError
        If a file or column cannot be used, or there are no jets.
    """
    read = [part for part in SampleStream(list(files), tuple(columns), mass) if len(part)]
    if not read:
        msg = f"{', '.join(files)}: no jets in these files"
        raise InputError(msg)
    jets = Sample.concatenated(*read)
    table = [jets.features, *(block.summaries() for block in jets.blocks.values())]
    refuse_equal_rows(np.hstack(table), files, "jets")
    return jets


def train_to_file(
    files: Sequence[str],
    out: Path,
    *,
    columns: Sequence[str],
    kind: str | None,
    overrides: Sequence[str] = (),
    start: Path | None = None,
    members: int = 1,
    seed: int = 1,
    mass: str = "mjj",
) -> tuple[str, Reached]:
    """Train a tagger and write it; one that was interrupted goes on from its last epochs.

    Until it is done, its state is in a folder ``.unfinished`` beside the file.

    Parameters
    ----------
    files : sequence of str
        Parquet files of labelled jets, or folders of them.
    out : Path
        The file of the tagger.
    columns : sequence of str
        Columns of constituents, and of numbers beside them.
    kind : str, optional
        Of the networks; by default ParticleNet, or that of ``start``.
    overrides : sequence of str
        Hyperparameters, ``key=value``.
    start : Path, optional
        A tagger to begin with.
    members, seed
        See `overdensity.ml.tagging.tagger.train_tagger`.
    mass : str
        See `labelled_jets`.

    Returns
    -------
    kind : str
        Of the networks.
    reached : Reached
        On jets that had no part in the training.
    """
    from ...ml.tagging.tagger import tagger_hyper, train_tagger  # noqa: PLC0415 - when it is run
    from ...ml.tagging.tagger_file import load_tagger, save_tagger  # noqa: PLC0415 - imports torch

    refuse_unwritable(out)  # said before hours of training
    for name in columns:
        if list(columns).count(name) > 1 or not name:
            msg = f"--columns: {name!r} stands there twice, or is empty; name each column once"
            raise ConfigError(msg)
    if msg := no_feature(columns):
        raise ConfigError(msg)
    before = None if start is None else load_tagger(start)
    kind = kind or ("particlenet" if before is None else before.kind)
    settings: dict[str, Any] = {}
    for override in overrides:
        apply_override(settings, override)
    known = None if before is None or before.kind != kind else before.hyper
    hyper = tagger_hyper(kind, settings, default=known)  # refused before jets are read
    jets = labelled_jets(files, columns, mass)
    unfinished = out.with_name(f"{out.name}.unfinished")
    with (
        progress(f"training {kind}", members * hyper.training.epochs, unit="epochs") as advance,
        watch(unfinished, advance),
    ):
        tagger, reached = train_tagger(
            jets, kind, settings, members=members, seed=seed, start=before
        )
    save_tagger(out, tagger)
    shutil.rmtree(unfinished, ignore_errors=True)
    return kind, reached
