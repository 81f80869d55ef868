"""What the report shows of the answer to a challenge, where one was made of the result."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ...core import InputError
from ..challenge.answer_figures import plot_jets
from ..challenge.answer_sheet import ANSWER, JETS, AnswerSheet, Daughter, read_answer
from ..challenge.jets_of_excess import JetsOfExcess
from ..drawing import as_svg_uri
from ..stages.search_result import SearchResults

__all__ = ["answer_rows", "answer_section"]

logger = logging.getLogger(__name__)


def answer_section(results: SearchResults, out: Path) -> dict[str, Any] | None:
    """Return the sheet and the figure of both jets; None without an answer of this result.

    Parameters
    ----------
    results : SearchResults
        Of the search.
    out : Path
        Its folder.
    """
    if not (out / ANSWER).is_file():
        return None
    try:
        sheet = read_answer(out / ANSWER)
    except InputError as error:  # changed by hand, or of another version
        logger.warning("the report has no answer: %s", error)
        return None
    if sheet.key != results.key:  # of an earlier result
        return None
    return {
        "abstract": sheet.abstract,
        "rows": answer_rows(sheet),
        "notes": sheet.notes,
        "uri": _jets(sheet, out / JETS),
        "caption": (
            "Both jets of the selected events in the signal region, over the sidebands with the same "
            "selection, scaled to the background that the fit of the resonant mass expects. The "
            "band is the mass of the daughter with its error."
        ),
    }


def answer_rows(sheet: AnswerSheet) -> list[tuple[str, str]]:
    """Return the lines of the sheet: what, and what is answered."""
    relation = "≤ " if sheet.p_value_is_limit else ""
    p_value = "no result" if sheet.p_value is None else f"{relation}{sheet.p_value:.2g}"
    commitment = sheet.box.commitment
    sealed = "" if commitment is None else f", sealed as {commitment[:12]}…"
    rows = [
        ("box", f"{sheet.box.name}{sealed}"),
        ("signal found", "yes" if sheet.signal_found else "no"),
        ("global p-value of no new particle", p_value),
        ("probability of a signal, from even odds", f"{sheet.probability:.3g}"),
    ]
    if not sheet.signal_found:
        return rows
    mass, number = sheet.resonance_mass, sheet.n_signal
    return [
        *rows,
        ("mass of the resonance", "not measured" if mass is None else mass.said("GeV")),
        ("heavier daughter", _daughter(sheet.heavier_daughter)),
        ("lighter daughter", _daughter(sheet.lighter_daughter)),
        ("signal events before selection", "not measured" if number is None else number.said()),
        *(("decay", mode) for mode in sheet.decay_modes),
    ]


def _daughter(found: Daughter | None) -> str:
    if found is None or found.mass is None:
        return "not measured"
    prongs = "" if found.prongs is None else f", prongs: {found.prongs}"
    return f"{found.mass.said('GeV')}{prongs}"


def _jets(sheet: AnswerSheet, path: Path) -> str | None:
    """Return the figure of both jets, where the answer has them."""
    jets = JetsOfExcess.found_at(path) if sheet.signal_found else None
    figure = None if jets is None else plot_jets(jets)
    return None if figure is None else as_svg_uri(figure)
