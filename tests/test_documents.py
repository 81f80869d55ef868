"""What the documents show can be used: configurations, commands, names in the code, files."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from overdensity.core import ConfigError
from overdensity.ml import Method, make_method
from overdensity.ml.method import METHODS
from overdensity.simulation import recipe_of
from overdensity.simulation.recipes.reading import KEYS as RECIPE_KEYS
from overdensity.workflow import load_config, parse_config
from overdensity.workflow.commands import app
from overdensity.workflow.config.benchmark import BenchmarkConfig
from overdensity.workflow.config.reading import load_benchmark, validated
from overdensity.workflow.config.recipe import load_recipe
from overdensity.workflow.config.search import SearchConfig
from overdensity.workflow.regions.region_config import (
    RegionSearchConfig,
    load_any_search,
    load_regions,
)
from overdensity.workflow.stages.inputs.event_files import event_processor, event_source
from overdensity.workflow.suite.suite_config import SuiteConfig, load_suite

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OF_NOW = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names what there was
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
GROUPS = {  # of entry points
    f"overdensity.{kind}"
    for kind in ("classifiers", "functions", "layouts", "methods", "processors", "sources")
}
FOLDERS = "benchmarks|docs|examples|notebooks|tests|core|processors|ml|stats|simulation|workflow"
FILES = rf"(?:{FOLDERS})/[\w./-]+\.(?:py|yaml|md|ipynb|png|json)"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[tuple[str, str, int]]:
    """Return language, text and line of every block between fences."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        yield found[1], found[2], text.count("\n", 0, found.start()) + 1


CONFIGURATIONS = [
    pytest.param(text, id=f"{name_of(page)}:{line}")
    for page in PAGES
    for language, text, line in blocks(page)
    if language == "yaml"
]
COMMANDS = [
    pytest.param(command, id=f"{name_of(page)}:{line}: {command[:40]}")
    for page in OF_NOW
    for _, text, line in blocks(page)
    for command in re.findall(
        r"^(?:\$ )?(overdensity .*)$", text.replace("\\\n", " "), re.MULTILINE
    )
]
CODE = [
    *(
        pytest.param(text, id=f"{name_of(page)}:{line}")
        for page in OF_NOW
        for language, text, line in blocks(page)
        if language == "python"
    ),
    *(
        pytest.param(path.read_text(encoding="utf-8"), id=name_of(path))
        for path in sorted((ROOT / "benchmarks").glob("*.py"))
    ),
]
# In a sentence arguments may be left out.
IN_SENTENCES = sorted(
    {
        " ".join(found.split())
        for page in OF_NOW
        for found in re.findall(r"(?<!`)`(overdensity [^`]+)`", page.read_text(encoding="utf-8"))
    }
)


@dataclass(frozen=True)
class MineHyper:
    learning_rate: float = 0.1


class Mine(Method[MineHyper]):
    name = "mine"
    source = "docs/benchmark.md"
    Hyper = MineHyper

    def fit(self, data: Any, window: Any, **_: Any) -> Mine:
        return self

    def score(self, data: Any) -> Any: ...

    def arrays(self) -> Any: ...

    def restore(self, arrays: Any) -> None: ...


@pytest.fixture
def method_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The method ``mine``, which a page registers in the reader's own package."""
    monkeypatch.setitem(METHODS._known, "mine", Mine)


def benchmark_of(values: dict[str, Any]) -> BenchmarkConfig:
    """Return a benchmark with the keys of a block, and others that it cannot do without."""
    window = {"low": 3300, "high": 3700, "sideband_low": 2900, "sideband_high": 4200}
    needed = {key: f"{key}.parquet" for key in ("background", "extra_background", "injected")}
    needed |= {"test_signal": "test.parquet", "simulation": "simulation.parquet"}
    rest = {"features": ["j1_mass"], "window": window, "strengths": [100]}
    return validated(BenchmarkConfig, {**needed, **rest, **values}, origin="benchmark")


def assert_usable(config: SearchConfig) -> None:
    """Ask for everything that a search refuses when it begins."""
    assert make_method(config.method.name, **config.method.hyperparameters)
    assert event_processor(config)
    if config.events.layout != "auto":
        files = {"files": ("events.root",), "format": "root"}
        assert event_source(config.events.model_copy(update=files))


def assert_searches(suite: SuiteConfig) -> None:
    """Ask for the search of each method of a suite."""
    for label in suite.methods:
        assert_usable(suite.search_of(label, Path("box01.parquet"), 1))


@pytest.fixture
def files_of_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A file of names and, where it is asked for, a tagger of another's, in the current folder."""
    (tmp_path / "chosen.json").write_text('{"names": ["mass", "efp12"]}')
    if ".onnx" in request.getfixturevalue("text"):
        from .processors.taggers.conftest import linear

        points = {"pf_points": 2, "pf_features": 3, "pf_mask": 1}
        shapes: dict[str, list[Any]] = {name: ["n", width, "p"] for name, width in points.items()}
        linear(tmp_path / "particlenet.onnx", shapes | {"jet": ["n", 2]}, called="softmax")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("method_of_the_reader", "files_of_the_reader")
@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_configuration_on_a_page_is_accepted(text: str) -> None:
    values = yaml.safe_load(text)
    if "processes" in values or "preset" in values:
        kept = {key: value for key, value in values.items() if key in RECIPE_KEYS}
        assert recipe_of(kept, origin="recipe.yaml")
        assert set(values) <= {*RECIPE_KEYS, "out", "cluster", "workers"}
        return
    if "pool" in values:
        assert_searches(validated(SuiteConfig, values, origin="suite"))
        return
    if "methods" in values:
        for method in benchmark_of(values).methods.values():
            assert make_method(method.name, **method.hyperparameters)
        return
    if "groups" in values:
        assert validated(RegionSearchConfig, values, origin="regions")
        return
    values["events"] = {"files": ["events.h5"], **values.get("events", {})}
    assert_usable(parse_config(values))


def test_hyperparameters_that_are_not_nested_are_refused() -> None:
    values = {"events": {"files": ["a.h5"]}, "method": {"name": "cwola", "leaves": 15}}
    with pytest.raises(ConfigError, match="leaves"):
        assert_usable(parse_config(values))


def test_the_page_on_the_search_shows_every_key() -> None:
    shown = [yaml.safe_load(text) for _, text, _ in blocks(ROOT / "docs" / "search.md")]
    assert set(shown[0]) == set(SearchConfig.model_fields)


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_an_example_is_accepted(path: Path) -> None:
    if path.parent.name == "recipes":
        assert load_recipe(path)
        return
    if path.parent.name == "regions":
        assert load_regions(path)
        return
    if path.parent.name == "suite":
        assert_searches(load_suite(path))
        return
    if "methods" not in yaml.safe_load(path.read_text("utf-8")):  # no benchmark
        assert_usable(load_config(path))
        return
    for method in load_benchmark(path).methods.values():
        assert make_method(method.name, **method.hyperparameters)


def command_of(word: str, *words: str) -> tuple[Any, list[str]]:
    """Return a command, that of a group where the next word names one, and the words after it."""
    command = typer.main.get_command(app).commands.get(word)  # type: ignore[attr-defined]
    assert command is not None, f"no command {word!r}"
    of_group = getattr(command, "commands", {})
    if words and words[0] in of_group:
        return of_group[words[0]], list(words[1:])
    return command, list(words)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_on_a_page_is_understood(line: str) -> None:
    _, word, *words = shlex.split(line, comments=True)
    command, words = command_of(word, *words)
    context = command.make_context(word, words)  # raises what the command line says
    file, overrides = context.params.get("file"), context.params.get("overrides") or []
    if word == "simulate" and not context.params["what"].endswith((".h5", ".root")):
        assert load_recipe(context.params["what"], overrides)
    if (suite := context.params.get("suite_file")) is not None and (ROOT / suite).exists():
        assert load_suite(ROOT / suite, overrides)
    if file is not None and (ROOT / file).exists():
        loads = {"benchmark": load_benchmark, "run": load_any_search}
        assert loads.get(word, load_config)(ROOT / file, overrides)
    elif word == "run":
        assert parse_config({"events": {"files": ["events.h5"]}}, overrides)


@pytest.mark.parametrize("line", IN_SENTENCES)
def test_a_command_in_a_sentence_is_there(line: str) -> None:
    _, word, *words = shlex.split(line)
    command, options = None, {"--help", "-h", "--install-completion", "--version"}
    if not word.startswith("-"):
        command, words = command_of(word, *words)
        options |= {option for each in command.params for option in each.opts}
    asked = {each.partition("=")[0] for each in [word, *words] if each.startswith("-")}
    assert asked <= options


def test_the_middle_of_a_window_has_one_spelling() -> None:
    rooms = ("core", "processors", "ml", "stats", "simulation", "workflow")
    code = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    british = re.compile(r"(?i)\bcentr(?:e[sd]?|ing)\b")
    found = {name_of(path): british.findall(path.read_text("utf-8")) for path in [*PAGES, *code]}
    assert len(found) > 250
    assert not {name: words for name, words in found.items() if words}


@pytest.mark.parametrize("page", [*OF_NOW, ROOT / "Makefile"], ids=name_of)
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link}
    missing = [link for link in links if not (page.parent / link).exists()]
    named = set(re.findall(rf"(?<![\w/.]){FILES}", text))
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module, or stands in one."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            fields = getattr(value, "__dataclass_fields__", {})
            if part not in fields and not hasattr(value, part):
                return False
            value = getattr(value, part, None)
        return True
    return False


@pytest.mark.parametrize("page", OF_NOW, ids=name_of)
def test_a_name_in_the_code_that_a_page_gives_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w./\"'-])overdensity(?:\.[A-Za-z_]\w*)+", text))
    assert not {name for name in named - GROUPS if not is_there(name)}


@pytest.mark.parametrize("text", CODE)
def test_what_code_on_a_page_or_in_a_benchmark_imports_is_there(text: str) -> None:
    imported = {
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("overdensity")
        for name in node.names
    }
    assert not {name for name in imported if not is_there(name)}
