"""The tables of the documents are those that a benchmark printed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

# Sections that show a table and name the benchmark it is of, without a receipt yet. The list only
# gets shorter: run `python -P benchmarks/receipts.py make …`, then take the section out.
WITHOUT_RECEIPT = {
    ("docs/combination.md", "Does it find a split signal?"),
}


# Receipts of code that is not behind this, and why they stay; the list only gets shorter.
UNREACHABLE: dict[str, str] = {}
# Studies that draw no random numbers, so that they have no seed.
WITHOUT_SEED: set[str] = set()


def load_receipts() -> ModuleType:
    """Return ``benchmarks/receipts.py`` as a module."""
    spec = importlib.util.spec_from_file_location("receipts", ROOT / "benchmarks" / "receipts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["receipts"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


receipts = load_receipts()
RECEIPTS = receipts.read_receipts()


def sections(text: str) -> dict[str, str]:
    """Return the parts of a page by their headings."""
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_page_shows_the_tables_of_a_receipt(name: str) -> None:
    receipt = RECEIPTS[name]
    shown = receipts.tables_of((ROOT / receipt.page).read_text(encoding="utf-8"))
    assert receipt.tables
    for table in receipt.tables:
        assert receipts.is_shown(table, shown[receipt.section]), f"{receipt.page}:\n{table}"


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_page_names_the_command_of_a_receipt(name: str) -> None:
    receipt = RECEIPTS[name]
    text = sections((ROOT / receipt.page).read_text(encoding="utf-8"))[receipt.section]
    assert receipt.command in " ".join(text.split())


@pytest.fixture(scope="module")
def history() -> list[str]:
    """The commits that this one has grown from."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git repository, whose history would say what a receipt was made of")
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("a shallow clone does not know the commits of the receipts")
    return git("rev-list", "HEAD").split()


def test_receipts_are_of_commits_behind_this_one(history: list[str]) -> None:
    unreachable = {
        name
        for name, receipt in RECEIPTS.items()
        if len(receipt.commit) < 7 or not any(each.startswith(receipt.commit) for each in history)
    }
    assert unreachable == set(UNREACHABLE), "make it anew, on a commit that stays"


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_receipt_says_what_its_seeds_are_made_of(name: str) -> None:
    assert bool(RECEIPTS[name].seed.strip()) == (name not in WITHOUT_SEED)


def test_every_table_of_a_benchmark_has_a_receipt() -> None:
    with_receipt = {(receipt.page, receipt.section) for receipt in RECEIPTS.values()}
    named = set()
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        tables = receipts.tables_of(text)
        for heading, part in sections(text).items():
            if heading in tables and "benchmarks/" in part:
                named.add((str(path.relative_to(ROOT)), heading))
    without = named - with_receipt
    assert not without - WITHOUT_RECEIPT, f"make a receipt: {sorted(without - WITHOUT_RECEIPT)}"
    assert not WITHOUT_RECEIPT - without, f"take out: {sorted(WITHOUT_RECEIPT - without)}"


PAGE = """# Study
## First
| a | b |
| --- | --- |
| 1 | 2 |

## Second
KS p 0.3

| a | b |
| --- | --- |
| 3 | 4 |

`python -P benchmarks/study.py`
"""


def receipt_of(text: str):
    tables = tuple(table for some in receipts.tables_of(text).values() for table in some)
    return receipts.Receipt("page.md", "Second", "", "", "", 0.0, tables)


def test_tables_are_told_by_their_heading_and_caption() -> None:
    found = receipts.tables_of(PAGE)
    assert [str(table) for table in found["First"]] == ["| a | b |\n| --- | --- |\n| 1 | 2 |"]
    (table,) = found["Second"]
    assert (table.header, table.rows, table.caption) == (("a", "b"), (("3", "4"),), "KS p 0.3")


@pytest.mark.parametrize("change", [("4", "5"), ("0.3", "0.2"), ("| b |", "| c |")])
def test_a_figure_that_drifts_is_seen(change: tuple[str, str]) -> None:
    (table,) = receipts.tables_of(PAGE)["Second"]
    assert receipts.is_shown(table, receipts.tables_of(PAGE)["Second"])
    drifted = receipts.tables_of(PAGE.replace(*change))["Second"]
    assert not receipts.is_shown(table, drifted)


def test_a_table_of_one_line_is_held_too() -> None:
    """One row, one column, or no row at all."""
    for text in ("| a | b |\n| --- | --- |\n| 1 | 2 |", "| a |\n| --- |\n| 1 |", "| 1 |\n| --- |"):
        table, drifted = (
            receipts.tables_of(f"## Here\n\n{each}\n")["Here"]
            for each in (text, text.replace("1", "7"))
        )
        assert receipts.is_shown(table[0], table)
        assert not receipts.is_shown(table[0], drifted)


def test_a_table_at_the_end_of_a_page_is_updated() -> None:
    new = receipt_of("### 2\n\nKS p 0.9\n\n| a | b |\n| --- | --- |\n| 7 | 8 |\n")
    page = receipts.updated(PAGE[: PAGE.index("\n\n`python")], new)
    assert receipts.tables_of(page)["Second"] == list(new.tables)


def test_a_row_that_was_left_out_is_seen() -> None:
    (table,) = receipts.tables_of(PAGE)["Second"]
    longer = replace(table, rows=(*table.rows, ("5", "6")))
    assert not receipts.is_shown(longer, [table])


def test_a_page_is_updated_in_its_section_alone() -> None:
    new = receipt_of("### 2 fits\n\nKS p 0.9\n\n| a | b |\n| --- | --- |\n| 7 | 8 |\n| 9 | 0 |\n")
    page = receipts.updated(PAGE, new)
    assert receipts.tables_of(page)["First"] == receipts.tables_of(PAGE)["First"]
    assert receipts.tables_of(page)["Second"] == list(new.tables)
    assert page.startswith(PAGE[: PAGE.index("KS p 0.3")])
    assert page.endswith("\n\n`python -P benchmarks/study.py`\n")


def test_a_receipt_of_another_table_is_refused() -> None:
    other = receipt_of("| x | y |\n| --- | --- |\n| 7 | 8 |\n")
    with pytest.raises(SystemExit, match=r"page\.md: no table '\| x \| y \|' under 'Second'"):
        receipts.updated(PAGE, other)
