"""Rows of a search in several channels."""

from __future__ import annotations

from dataclasses import replace

from overdensity.stats import SelectionResult
from overdensity.stats.combination.joint_result import ChannelSummary, CombinedResult, Hypothesis
from overdensity.stats.search.pseudo_experiments import GlobalP

ROW = SelectionResult(0.1, 120, 100.0, 3.0, 4.0, 0.03, 1.9, 12.0, 10, 0.3, False, False)
WHOLE = GlobalP(0.01, 2.3, 0.002, False, 999, 9, ())


def channel(name: str, whole: GlobalP | None) -> ChannelSummary:
    return ChannelSummary(name, "dijet4", 1000, None, 0.03, 1.9, whole, 0.5, ())


def result(best: int | None) -> CombinedResult:
    row = Hypothesis(
        3464.1,
        3000.0,
        4000.0,
        (ROW, None),
        3.6,
        0.05,
        1.6,
        extrapolated=False,
        searched=(True, True),
    )
    return CombinedResult(
        channels=(channel("mjj", WHOLE), channel("mjjj", None)),
        hypotheses=(row,),
        best=best,
        peaks=(),
        global_p=None if best is None else WHOLE,
        flags=("mjjj: a flag",),
    )


def test_a_table_has_one_line_a_mass_and_a_column_a_channel() -> None:
    table = result(0).table()
    assert table.columns == ("window [GeV]", "mjj", "mjjj", "p local", "z local")
    assert table.rows == (("3000-4000", "10 %: 120 for 100.0, 1.9σ", "flagged", "0.05", "1.6σ"),)
    assert table.styles == {0: "bold"}


def test_a_channel_that_is_not_searched_at_a_mass_is_not_called_flagged() -> None:
    found = result(0)
    row = replace(found.hypotheses[0], searched=(True, False))
    assert replace(found, hypotheses=(row,)).table().rows[0][2] == "not searched"


def test_channels_are_quoted_alone_before_the_combination() -> None:
    alone, combined, flag = result(0).table().notes
    assert alone == "mjj alone: local significance 1.9σ, global significance 2.3σ"
    assert combined.startswith("combination at 3464 GeV: local significance 1.6σ")
    assert flag == "mjjj: a flag"


def test_no_usable_fit_is_said_in_place_of_a_result() -> None:
    assert "there is no result" in str(result(None))


def test_a_mass_with_and_without_a_row_survives_json() -> None:
    assert CombinedResult.from_dict(result(0).to_dict()) == result(0)
