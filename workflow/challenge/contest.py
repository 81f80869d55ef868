"""A contest from its files: answers, keys and boxes to scores and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.files.outputs import own_folder
from ..drawing import save_figure
from .answer_figures import plot_answers
from .answer_sheet import read_answer
from .judging import ChallengeScores, judge
from .key import Key, read_key
from .sealing import commitment_in, verify_box
from .writing import writing_to

__all__ = ["check_box", "score_answers"]


def score_answers(
    answers: Sequence[Path], keys: Sequence[Path], boxes: Sequence[Path], out: Path
) -> tuple[ChallengeScores, tuple[Path, ...]]:
    """Score answers, and write ``scores.json`` and a figure for each box with a signal.

    Parameters
    ----------
    answers : sequence of Path
        Answer sheets.
    keys : sequence of Path
        Keys of all boxes, also of those that nobody answered.
    boxes : sequence of Path
        Boxes, each to be held against its key.
    out : Path
        Folder of what is written.

    Returns
    -------
    ChallengeScores
        As ``scores.json`` holds it.
    tuple of Path
        The figures.

    Raises
    ------
    InputError
        If a file cannot be used, or files do not belong together.
    """
    opened = [(path, read_key(path)) for path in keys]
    for box in boxes:
        check_box(box, opened)
    scores = judge([(path, read_answer(path)) for path in answers], opened)
    figures = []
    with own_folder(out), writing_to(out):
        for _, key in opened:
            of_box = [each for each in scores.answers if each.commitment == key.commitment]
            if key.truth.signal:
                path = out / f"answers_{key.box}_{key.commitment[:8]}.png"
                figures.append(save_figure(plot_answers(of_box), path))
        scores.to_json(out / "scores.json")
    return scores, tuple(figures)


def check_box(box: Path, keys: Sequence[tuple[Path, Key]]) -> Key:
    """Return the key of a box, after its events were held against it.

    Raises
    ------
    InputError
        If no key matches, or the events are others than those it was sealed with.
    """
    commitment = commitment_in(box)
    matching = [pair for pair in keys if pair[1].commitment == commitment]
    path, key = (matching or list(keys))[0]  # without a match the first is refused by name
    verify_box(box, key, named=str(path))
    return key
