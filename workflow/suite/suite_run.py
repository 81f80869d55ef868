"""A suite of sealed boxes: made, searched by any method, answered and scored.

How often a signal is found, against its strength, and how often one is claimed where there is none:
the figure of merit of a search from end to end.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

from ...core import FitError, InputError
from ...core.files.outputs import own_folder
from ...core.progress_bar import quietly
from ...core.records import write_text_atomic
from ..challenge.answer_sheet import AnsweredBox, AnswerSheet, read_answer
from ..challenge.answering import write_answer
from ..challenge.judging import judge
from ..challenge.key import Key
from ..challenge.sealing import commitment_in
from ..cluster.campaign import in_file_names, make_files
from ..cluster.connecting import connect
from ..config.search import SearchConfig
from ..drawing import save_figure
from ..stages.hunting import make_results
from ..stages.provenance import stage_key
from ..stages.run import Run, open_run
from ..stages.scoring import make_scores_here
from .suite_boxes import BoxPlan, make_boxes
from .suite_config import SuiteConfig
from .suite_figures import plot_suite
from .suite_pool import read_pool
from .suite_result import SuiteAnswer, SuiteResult, suite_rates

__all__ = ["BoxSearch", "run_suite", "search_box"]

_WHERE = {"cluster", "workers", "out"}  # keys that change nothing of the result


@dataclass(frozen=True)
class BoxSearch:
    """The search of one box by one method.

    Attributes
    ----------
    label : str
        The method's name in the table.
    box : str
        Name of the box.
    number : int
        Of the box, from 1 on.
    """

    label: str
    box: str
    number: int

    def __str__(self) -> str:
        """Say the search in words."""
        return f"{self.label} in {self.box}"


def run_suite(config: SuiteConfig) -> SuiteResult:
    """Make sealed boxes, search and answer each, and open the keys; what is there is kept.

    Parameters
    ----------
    config : SuiteConfig
        The suite.

    Returns
    -------
    SuiteResult
        Also written to ``suite.json``, with ``suite.md`` and ``suite.png`` beside it, in the folder
        of the suite.

    Raises
    ------
    OverdensityError
        If the configuration or the pool cannot be used, or searches failed; what is done is kept.
    """
    searches = _checked(config)
    with own_folder(config.folder) as out:
        return _run_suite(config, searches, out)


def _run_suite(config: SuiteConfig, searches: dict[str, SearchConfig], out: Path) -> SuiteResult:
    mass = next(iter(searches.values())).mass
    needed = tuple(dict.fromkeys(name for each in searches.values() for name in each.features))
    pool = read_pool(config, mass, needed)
    boxes = make_boxes(config, pool)
    tasks = [
        BoxSearch(label, box, number)
        for number, box in enumerate(boxes, start=1)
        for label in config.methods
    ]
    files = {task: _answer_file(config, task, boxes[task.box][1]) for task in tasks}
    if not all(path.is_file() for path in files.values()):
        with connect(config.cluster, config.workers) as client:
            make_files(client, search_box, config, files, description="suite", unit="searches")
    result = _result(config, pool.events, boxes, files)
    result.to_json(out / "suite.json")
    write_text_atomic(out / "suite.md", result.table().markdown())
    save_figure(plot_suite(result), out / "suite.png")
    return result


def search_box(config: SuiteConfig, task: BoxSearch, path: Path) -> None:
    """Search a box, answer it, and write the answer; runs on a worker.

    Scores are removed once there is an answer; what else a search writes stays.

    Raises
    ------
    OverdensityError
        If the box cannot be searched.
    """
    box = config.folder / "boxes" / f"{task.box}.parquet"
    run = open_run(config.search_of(task.label, box, task.number))
    with quietly():
        make_scores_here(run)
        try:
            make_results(run)
        except FitError as error:
            sheet = _without_result(task, box, error)
        else:
            sheet = write_answer(run.folder, name=task.label, level=config.level)
    # The key of a result is that of its files and their times, which are not those of a copy.
    dataclasses.replace(sheet, key=None).to_json(path)
    shutil.rmtree(run.folder / "scores")


def _without_result(task: BoxSearch, box: Path, error: FitError) -> AnswerSheet:
    return AnswerSheet(
        name=task.label,
        box=AnsweredBox(box.stem, commitment_in(box)),
        signal_found=False,
        p_value=None,
        notes=(f"there is no result: {error}",),
    )


def _checked(config: SuiteConfig) -> dict[str, SearchConfig]:
    """Return the search of a box by each method, which can be made."""
    searches, box = {}, config.folder / "boxes" / "box01.parquet"
    for label in config.methods:
        search = config.search_of(label, box, 1)
        method = Run(search).method
        if "simulation" in method.needs and not search.simulation:
            msg = (
                f"methods.{label}: method {method.name!r} needs simulation; name simulated "
                "background under search.simulation"
            )
            raise InputError(msg)
        searches[label] = search
    first = next(iter(searches.values()))
    masses = config.boxes.masses or [each.resonance_mass for each in config.pool.signals.values()]
    for mass in masses:
        if not first.scan.low <= mass < first.scan.high:
            msg = (
                f"a resonance of {mass:g} GeV is not in the range of the search, {first.scan.low:g} to "
                f"{first.scan.high:g} GeV; change boxes.masses, or search.scan"
            )
            raise InputError(msg)
    return searches


def _answer_file(config: SuiteConfig, task: BoxSearch, key: Key) -> Path:
    """Return where an answer goes, by all that it depends on."""
    box = config.folder / "boxes" / f"{task.box}.parquet"
    search = config.search_of(task.label, box, task.number)
    values = search.model_dump(mode="json", exclude={*_WHERE, "events"})
    hyper = dataclasses.asdict(Run(search).method.hyper)
    of_all = stage_key(key.commitment, values, hyper, config.level)
    return config.folder / "answers" / in_file_names(task.label) / f"{task.box}-{of_all}.json"


def _result(
    config: SuiteConfig,
    pool: dict[str, int],
    boxes: dict[str, tuple[BoxPlan, Key]],
    files: dict[BoxSearch, Path],
) -> SuiteResult:
    """Open the keys, and count."""
    sheets = [(path, read_answer(path)) for path in files.values()]
    keys = [(config.folder / "keys" / f"{name}.key.json", key) for name, (_, key) in boxes.items()]
    scores = judge(sheets, keys)
    answers = tuple(
        SuiteAnswer(each, boxes[each.box][0].signal, boxes[each.box][0].strength)
        for each in scores.answers
    )
    return SuiteResult(
        level=config.level,
        events=config.boxes.events,
        pool=pool,
        rates=suite_rates(answers, tuple(config.methods), config.level),
        standings=scores.standings,
        answers=answers,
        configuration=config.model_dump(mode="json", exclude=_WHERE),
    )
