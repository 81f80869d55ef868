"""No passage of code stands twice, not with other names in it either."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from textwrap import indent

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("core", "processors", "ml", "stats", "simulation", "workflow", "benchmarks", "examples")
MOST = 12  # lines of code that may stand twice
FIXED = {*keyword.kwlist, *dir(builtins), "self", "cls"}  # mean the same everywhere
TOKEN = re.compile(
    r"""(?P<string>[rbfRBF]{0,2}("(\\.|[^"\\])*"|'(\\.|[^'\\])*'))|(?P<number>\.?\d[\w.]*)"""
    r"|(?P<name>[^\W\d]\w*)|(?P<comment>\#.*)|(?P<sign>\S)"
)

Line = tuple[int, tuple[str, ...]]  # number, and tokens


def left_out(tree: ast.Module) -> set[int]:
    """Lines that may stand twice: imports, signatures, docstrings and lists of public names."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        first, last = 1, 0
        if isinstance(node, ast.Import | ast.ImportFrom):
            first, last = node.lineno, node.end_lineno or 0
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            last = node.body[0].lineno - 1
        elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or (
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ):
            first, last = node.lineno, node.end_lineno or 0
        lines |= set(range(first, last + 1))
    return lines


def code_of(text: str) -> list[Line]:
    """Lines of code as tokens, all strings and numbers alike; without lone brackets."""
    skipped = left_out(ast.parse(text))
    rows = (
        (number, tokens_of(line))
        for number, line in enumerate(text.splitlines(), start=1)
        if number not in skipped
    )
    return [(number, row) for number, row in rows if any(t.isidentifier() for t in row)]


def tokens_of(line: str) -> tuple[str, ...]:
    """Tokens of a line, all strings and numbers alike, without a comment."""
    kinds = ((each.lastgroup, each[0]) for each in TOKEN.finditer(line))
    literals = {"string": "''", "number": "0"}
    return tuple(literals.get(kind, text) for kind, text in kinds if kind != "comment")


def without_names(row: tuple[str, ...]) -> tuple[str, ...]:
    """Tokens of a line with every name alike."""
    return tuple("name" if t.isidentifier() and t not in FIXED else t for t in row)


def with_names_counted(rows: list[Line]) -> tuple[str, ...]:
    """Tokens of a passage, its names replaced by the order in which they come first."""
    order: dict[str, str] = {}
    return tuple(
        order.setdefault(token, f"name{len(order)}")
        if token.isidentifier() and token not in FIXED
        else token
        for _, row in rows
        for token in row
    )


def twice(paths: list[Path], most: int = MOST) -> Iterator[str]:
    """Pairs of places that share a passage of more than so many lines of code."""
    shapes: dict[int, list[tuple[Path, list[Line]]]] = defaultdict(list)
    for path in paths:
        code = code_of(path.read_text(encoding="utf-8"))
        hashes = [hash(without_names(row)) for _, row in code]
        for i in range(len(code) - most):
            shapes[hash(tuple(hashes[i : i + most + 1]))].append((path, code[i : i + most + 1]))
    for passages in shapes.values():
        for (one, rows), (two, others) in combinations(passages, 2):
            apart = one != two or rows[-1][0] < others[0][0]
            if apart and with_names_counted(rows) == with_names_counted(others):
                yield f"{one}:{rows[0][0]} ~ {two}:{others[0][0]}"


def test_no_passage_stands_twice() -> None:
    paths = sorted(path for place in PLACES for path in (ROOT / place).rglob("*.py"))
    assert not list(twice(paths))


PASSAGE = "\n".join(f"total_{n} = weigh(events[{n}], 'a', total_{n - 1}) + 1" for n in range(13))
OTHER_NAMES = PASSAGE.replace("total", "sum").replace("events", "jets").replace("'a'", "'b'")


def planted(tmp_path: Path, text: str) -> list[str]:
    """What is found in two files that hold the passage and this text."""
    for name, content in {"one.py": PASSAGE, "two.py": text}.items():
        (tmp_path / name).write_text(content + "\n")
    return list(twice(sorted(tmp_path.glob("*.py"))))


@pytest.mark.parametrize(
    "text",
    [
        PASSAGE,
        OTHER_NAMES,
        "def f(events):\n" + indent(PASSAGE, "    "),
        OTHER_NAMES.replace("\n", "  # why\n\n"),
    ],
    ids=["the same", "other names and values", "in a function", "with comments"],
)
def test_a_planted_passage_is_found(text: str, tmp_path: Path) -> None:
    assert len(planted(tmp_path, text)) == 1


def test_a_planted_passage_is_found_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(f"{PASSAGE}\nlater = 0\n{OTHER_NAMES}\n")
    assert list(twice([path])) == [f"{path}:1 ~ {path}:15"]


@pytest.mark.parametrize(
    "text",
    [
        PASSAGE.rsplit("\n", 1)[0],
        PASSAGE.replace("total_3 =", "other ="),
        f'"""\n{PASSAGE}\n"""',
        "from room import (\n" + ",\n".join(f"    name_{n}" for n in range(20)) + ",\n)",
    ],
    ids=["twelve lines", "names used otherwise", "a docstring", "imports"],
)
def test_what_is_no_passage_is_left_alone(text: str, tmp_path: Path) -> None:
    assert not planted(tmp_path, text)
