"""What there is to choose from: ``overdensity methods``, ``processors`` and ``features``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..tables import show_table
from .options import AsJson

__all__ = ["features", "methods", "processors"]


def methods(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A method or a kind of classifier, of which all hyperparameters are listed.",
            metavar="[NAME]",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the anomaly methods with their needs and sources, or the hyperparameters of one."""
    from ...ml import methods as known_methods
    from ...ml.classifiers.kinds import CLASSIFIERS

    if name is not None:
        _hyperparameters(name, as_json=as_json)
        return
    known = known_methods()
    if as_json:
        typer.echo(json.dumps([method.to_dict() for method in known], indent=2))
        return
    show_table(
        ("method", "needs", "what it is", "source"),
        [(each.name, ", ".join(each.needs), each.summary, each.source) for each in known],
        words=4,
    )
    show_table(
        ("kind of classifier", "what it is"),
        [(each.name, each.summary) for each in CLASSIFIERS.listings.values()],
        words=2,
    )


def _hyperparameters(name: str, *, as_json: bool) -> None:
    """List the hyperparameters of a method or a kind of classifier."""
    from ...ml.classifiers.kinds import CLASSIFIERS
    from ...ml.hyperparameters import as_configured, described
    from ...ml.method import METHODS

    is_kind = name in CLASSIFIERS and name not in METHODS
    found = (
        CLASSIFIERS.find(name) if is_kind else METHODS.find(name, beside=(*CLASSIFIERS.names(),))
    )
    defaults = found.Hyper()
    if as_json:
        typer.echo(json.dumps(as_configured(defaults), indent=2))
        return
    rows = [(place, json.dumps(value), words) for place, value, words in described(defaults)]
    where = (
        f"classifier: {{kind: {name}, {name}: …}}" if is_kind else f"method: {{name: {name}, …}}"
    )
    show_table((where, "default", "what it is"), rows, words=3)


def processors(as_json: AsJson = False) -> None:
    """List the processors with their options and defaults."""
    from ...processors import PROCESSORS

    settings = {name: processor().settings() for name, processor in PROCESSORS.items()}
    if as_json:
        typer.echo(json.dumps(settings, indent=2))
        return
    rows = []
    for name, processor in PROCESSORS.items():
        options = (f"{key}: {value}" for key, value in settings[name].items() if key != "processor")
        rows.append((name, (processor.__doc__ or "").partition("\n")[0], "\n".join(options)))
    show_table(("processor", "what it does", "options and defaults"), rows, words=3)


def features(as_json: AsJson = False) -> None:
    """List the features of jets that a processor can be asked for."""
    from ...processors.features.table import describe

    described = describe()
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    show_table(
        ("feature", "what it is", "of a jet", "source"),
        [
            (
                row["name"],
                row["meaning"],
                f"{row['dtype']} {row['shape']}".removesuffix(" ()"),
                row["source"],
            )
            for row in described
        ],
        words=4,
    )
