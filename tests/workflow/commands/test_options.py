"""Options that several commands share: one spelling, one meaning."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from overdensity.workflow.commands.options import AsJson, ConfigFile, Out, Set

app = typer.Typer()


@app.command()
def show(
    file: ConfigFile, out: Out = None, overrides: Set = None, *, as_json: AsJson = False
) -> None:
    typer.echo(repr((file, out, overrides, as_json)))


def answer(*words: str) -> str:
    return CliRunner().invoke(app, list(words)).output.strip()


def test_without_options_nothing_is_replaced() -> None:
    assert answer("search.yaml") == repr((Path("search.yaml"), None, None, False))


def test_keys_are_replaced_in_the_order_of_the_line() -> None:
    line = ("search.yaml", "--set", "scan.bins=20", "--set", "seed=2", "--out", "runs/a", "--json")
    assert answer(*line) == repr((Path("search.yaml"), "runs/a", ["scan.bins=20", "seed=2"], True))


def test_the_help_says_what_a_key_looks_like() -> None:
    page = answer("--help")
    for word in ("SEARCH.yaml", "--out", "--set", "KEY=VALUE", "--json"):
        assert word in page


def test_a_search_without_a_file_is_refused() -> None:
    assert "SEARCH.yaml" in answer()
